//! What access lists grant, and which are refused.

use proptest::prelude::*;

use super::*;

const LIST: &str = "\
# anonymous clients
topic read public/#
topic deny public/secret/#

user alice
topic a/b
topic read sensors/+/temperature
topic write cmd/alice
topic deny sensors/attic/temperature
topic read with a space/#
topic read $SYS/#
topic readwrite read

user bob
  topic read #
user alice
topic write late

pattern readwrite clients/%c/#
pattern read users/%u/inbox
pattern write dev-%u/up
pattern deny users/mallory/#
";

fn decide(acl: &Acl, user: Option<&str>, client_id: &str, action: Action, topic: &str) -> Decision {
    let identity = user.map_or(Identity::Anonymous, |user| Identity::User(user.into()));
    acl.decide(&Subject { identity: &identity, client_id, listener: None }, action, topic)
}

/// `+7`: allowed by line 7; `-3`: denied by line 3; `-`: denied because nothing grants it.
fn word(decision: Decision) -> String {
    let line = decision.line.map(|line| line.to_string()).unwrap_or_default();
    format!("{}{line}", if decision.is_allowed { '+' } else { '-' })
}

#[track_caller]
fn expect(user: Option<&str>, action: Action, cases: &[(&str, &str)]) {
    let acl = Acl::parse(LIST).unwrap();
    for (topic, expected) in cases {
        let decision = decide(&acl, user, "c1", action, topic);
        assert_eq!(word(decision), *expected, "{user:?} {action:?} {topic}");
    }
}

#[test]
fn topics_are_granted_to_whom_they_stand_under() {
    expect(
        None,
        Action::Receive,
        &[
            ("public", "+2"),
            ("public/a/b", "+2"),
            ("public/secret", "-3"),
            ("public/secret/a", "-3"),
            ("publicity", "-"),
            ("a/b", "-"),
            ("users//inbox", "-"),
            ("clients/c1/x", "+19"),
        ],
    );
    expect(
        Some("alice"),
        Action::Receive,
        &[
            ("a/b", "+6"),
            ("a/b/c", "-"),
            ("public/a", "-"),
            ("sensors/cellar/temperature", "+7"),
            ("sensors/attic/temperature", "-9"),
            ("sensors/a/b/temperature", "-"),
            ("with a space/x", "+10"),
            ("read", "+12"),
            ("cmd/alice", "-"),
            ("$SYS/broker/uptime", "+11"),
        ],
    );
    expect(
        Some("alice"),
        Action::Publish,
        &[("a/b", "+6"), ("cmd/alice", "+8"), ("late", "+17"), ("public/a", "-")],
    );
    expect(
        Some("bob"),
        Action::Receive,
        &[("a", "+15"), ("x/y", "+15"), ("$SYS/broker/uptime", "-"), ("users/mallory/inbox", "-22")],
    );
    expect(Some("carol"), Action::Receive, &[("a", "-"), ("public/a", "-")]);
}

#[test]
fn no_list_opens_to_somebody_without_a_name_what_only_operators_see() {
    let acl = Acl::parse("pattern readwrite $SYS/#\npattern readwrite $CONTROL/#\n").unwrap();
    for (topic, for_all) in
        [("$SYS/broker/uptime", true), ("$SYS/broker/vaux/metrics", false), ("$CONTROL/vaux/v1", false)]
    {
        for action in [Action::Publish, Action::Receive, Action::Subscribe] {
            assert_eq!(decide(&acl, None, "c", action, topic).is_allowed, for_all, "{topic}");
            assert!(decide(&acl, Some("alice"), "c", action, topic).is_allowed, "{topic}");
        }
    }
}

#[test]
fn patterns_grant_to_everybody_with_their_own_names() {
    expect(
        Some("alice"),
        Action::Receive,
        &[
            ("clients/c1", "+19"),
            ("clients/c1/a/b", "+19"),
            ("clients/c2/a", "-"),
            ("clients/c", "-"),
            ("clients/c11", "-"),
            ("users/alice/inbox", "+20"),
            ("users/bob/inbox", "-"),
            ("users/alice/outbox", "-"),
        ],
    );
    expect(
        Some("alice"),
        Action::Publish,
        &[("dev-alice/up", "+21"), ("dev-alice2/up", "-"), ("dev-/up", "-")],
    );
    expect(Some("mallory"), Action::Receive, &[("users/mallory/inbox", "-22")]);
}

#[test]
fn a_subscription_is_allowed_when_something_may_come_by_it() {
    expect(
        None,
        Action::Subscribe,
        &[
            ("#", "+2"),
            ("+", "+2"),
            ("public/#", "+2"),
            ("+/secret", "+2"),
            ("public/secret/#", "-3"),
            ("public/secret/+", "-3"),
            ("private/#", "-"),
            ("$SYS/#", "-"),
            ("+/+/+", "+2"),
        ],
    );
    expect(
        Some("alice"),
        Action::Subscribe,
        &[
            ("a/+", "+6"),
            ("a/b", "+6"),
            ("+/b/#", "+6"),
            ("sensors/attic/temperature", "-9"),
            ("sensors/attic/+", "+7"),
            ("sensors/+/humidity", "-"),
            ("cmd/alice", "-"),
            ("$SYS/broker/+", "+11"),
            ("users/alice/+", "+20"),
            ("users/bob/+", "-"),
            ("clients/c1", "+19"),
            ("clients/c2/#", "-"),
        ],
    );
}

#[test]
fn names_stand_for_themselves_and_never_for_more() {
    let acl = Acl::parse(
        "pattern readwrite u/%u/#\npattern readwrite c/%c\npattern read %u/x\npattern read %c/#\n",
    )
    .unwrap();
    for (user, client_id) in
        [("+", "+"), ("#", "#"), ("a/b", "a/b"), ("a/+", "+/a"), ("/", "/"), ("x/#", "x/#")]
    {
        for topic in
            ["u/a/x", "u/a/b/x", "u/x", "u//x", "c/a", "c/a/b", "a/x", "a/b/x", "$SYS/x", "u/+/x", "+/x"]
        {
            for action in [Action::Publish, Action::Receive, Action::Subscribe] {
                let decision = decide(&acl, Some(user), client_id, action, topic);
                assert!(!decision.is_allowed, "{user} {client_id} {action:?} {topic}");
            }
        }
    }
    // A name with a dollar does not reach what begins with one.
    let decision = decide(&acl, Some("$SYS"), "$SYS", Action::Receive, "$SYS/x");
    assert_eq!(decision, Decision { is_allowed: false, line: None });
}

#[test]
fn what_is_denied_by_a_name_is_denied_to_whatever_the_name_is() {
    let acl = Acl::parse("user a/b\ntopic read #\npattern deny secret/%u\n").unwrap();
    let decision = |topic| word(decide(&acl, Some("a/b"), "c", Action::Receive, topic));
    assert_eq!((decision("secret/a/b"), decision("secret/a")), ("-3".into(), "+2".into()));
}

#[test]
fn what_is_not_understood_is_refused_with_its_line() {
    for (text, line, message) in [
        ("", None, "has no rule"),
        ("# nothing\nuser alice\n", None, "has no rule"),
        ("topic a\ntopics b\n", Some(2), "begins with \"topics\"; it must be user, topic or pattern"),
        ("topic\n", Some(1), "topic needs a topic"),
        (
            "pattern read \n",
            Some(1),
            "pattern read needs a topic; for one that is called \"read\" write readwrite read",
        ),
        ("topic reed a/b\n", Some(1), "\"reed\" is no access; it must be read, write, readwrite or deny"),
        ("user \n", Some(1), "user needs a name"),
        ("topic read a/#/b\n", Some(1), "\"a/#/b\" is not a topic filter"),
        ("topic a+\n", Some(1), "\"a+\" is not a topic filter"),
        (
            "topic read $share/g/a\n",
            Some(1),
            "\"$share/g/a\" is a shared subscription; write the filter behind the share name",
        ),
    ] {
        assert_eq!(Acl::parse(text).unwrap_err(), (line, message.to_owned()), "{text:?}");
    }
}

/// Matching by levels, as the specification tells it.
fn naive_match(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') != filter.starts_with('$') {
        return false;
    }
    let (filter, topic): (Vec<_>, Vec<_>) = (filter.split('/').collect(), topic.split('/').collect());
    for (index, level) in filter.iter().enumerate() {
        match (*level, topic.get(index)) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (text, Some(level)) if text == *level => {}
            _ => return false,
        }
    }
    filter.len() == topic.len()
}

fn level() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("a"), Just("b"), Just(""), Just("$x"), Just("al")]
}

fn topic() -> impl Strategy<Value = String> {
    proptest::collection::vec(level(), 1..4)
        .prop_map(|levels| levels.join("/"))
        .prop_filter("not empty", |topic| !topic.is_empty())
}

fn filter() -> impl Strategy<Value = String> {
    let level = prop_oneof![3 => level(), 1 => Just("+")];
    (proptest::collection::vec(level, 1..4), any::<bool>())
        .prop_map(|(mut levels, is_open)| {
            if is_open {
                levels.push("#");
            }
            levels.join("/")
        })
        .prop_filter("not empty", |filter| !filter.is_empty())
}

proptest! {
    #[test]
    fn rules_match_as_filters_do(filter in filter(), topic in topic()) {
        let names = Names { user: None, client_id: "c" };
        prop_assert_eq!(RuleFilter::new(&filter, true).matches(&topic, names), naive_match(&filter, &topic));
    }

    #[test]
    fn what_covers_and_overlaps_agrees_with_what_matches(rule in filter(), filter in filter(), topic in topic()) {
        let names = Names { user: None, client_id: "c" };
        let compiled = RuleFilter::new(&rule, false);
        if naive_match(&filter, &topic) {
            let matches = naive_match(&rule, &topic);
            prop_assert!(!compiled.covers(&filter, names) || matches, "{} covers {} but not {}", rule, filter, topic);
            prop_assert!(!matches || compiled.overlaps(&filter, names), "{} and {} share {}", rule, filter, topic);
        }
    }

    #[test]
    fn a_name_changes_nothing_but_its_own_level(name in "[a/+#$%]{1,4}", topic in topic()) {
        let acl = Acl::parse("pattern readwrite a/%u/b\npattern readwrite %c\n").unwrap();
        let decision = decide(&acl, Some(&name), &name, Action::Publish, &topic);
        let is_own = !name.contains(['/', '+', '#'])
            && (topic == format!("a/{name}/b") || topic == name && !name.starts_with('$'));
        prop_assert_eq!(decision.is_allowed, is_own);
    }

    #[test]
    fn whatever_stands_in_the_file_is_read_or_refused(text in "(user|topic|pattern|read|deny|[ \t\n#+/%uc$]|\\PC){0,40}", topic in "\\PC{1,20}") {
        if let Ok(acl) = Acl::parse(&text) {
            for action in [Action::Publish, Action::Subscribe, Action::Receive] {
                decide(&acl, Some("u"), "c", action, &topic);
            }
        }
    }
}
