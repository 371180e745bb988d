//! Directives about the broker as a whole.

use std::time::Duration;

use vaux_broker::config::{Config, StoreEngine};

use super::read::Directive;
use super::report::Report;
use crate::cli_error::CliError;

/// What a directive comes to.
enum Meaning {
    /// Settings of vaux, and perhaps something to know.
    Set(Set),
    /// Nothing, for a reason.
    Nothing(&'static str),
    /// Others would be let in than by mosquitto.
    Refused(&'static str),
    /// It is about the log, where all of them count together.
    Log,
}

type Set = fn(&mut Config, &Directive) -> Result<Option<&'static str>, CliError>;

const AT_ONCE: &str = "what is acknowledged is on the disk at once";
const OWN_DATA: &str =
    "vaux keeps its data in a directory of its own (data_dir), and does not read mosquitto.db";
const NO_SUCH_BUFFER: &str = "buffers grow with what is received, up to the limits";

const DIRECTIVES: &[(&str, Meaning)] = &[
    (
        "allow_duplicate_messages",
        Meaning::Nothing("a client gets a message once, however many of its subscriptions match"),
    ),
    ("autosave_interval", Meaning::Nothing(AT_ONCE)),
    ("autosave_on_changes", Meaning::Nothing(AT_ONCE)),
    (
        "check_retain_source",
        Meaning::Set(|config, directive| {
            config.mqtt.check_retain_source = directive.flag()?;
            Ok(None)
        }),
    ),
    ("clientid_prefixes", Meaning::Refused("clients with other identifiers would be let in")),
    (
        "connection_messages",
        Meaning::Nothing("who comes and goes is told below $SYS/broker/vaux/events, not in the log"),
    ),
    ("enable_control_api", Meaning::Nothing("operators ask by $CONTROL/vaux/v1")),
    (
        "global_max_clients",
        Meaning::Set(|config, directive| set_count(&mut config.limits.max_sessions, directive)),
    ),
    (
        "global_max_connections",
        Meaning::Set(|config, directive| set_count(&mut config.limits.max_active_sessions, directive)),
    ),
    ("log_dest", Meaning::Log),
    ("log_facility", Meaning::Log),
    ("log_timestamp", Meaning::Log),
    ("log_timestamp_format", Meaning::Log),
    ("log_type", Meaning::Log),
    (
        "max_inflight_bytes",
        Meaning::Set(|config, directive| {
            config.limits.max_inflight_bytes = bytes_or_off(directive)?;
            Ok(None)
        }),
    ),
    ("max_inflight_messages", Meaning::Set(max_inflight_messages)),
    ("max_keepalive", Meaning::Set(max_keepalive)),
    ("max_packet_size", Meaning::Set(max_packet_size)),
    (
        "max_queued_bytes",
        Meaning::Set(|config, directive| {
            let bytes = bytes_or_off(directive)?;
            config.limits.max_queued_bytes = bytes.unwrap_or(config.limits.max_queued_bytes);
            Ok(bytes.is_none().then_some("without a limit there; here it stays 16MiB for a session"))
        }),
    ),
    (
        "max_queued_messages",
        Meaning::Set(|config, directive| {
            let count = directive.number(i64::from(i32::MIN)..=i64::from(i32::MAX))?;
            config.limits.max_queued_messages = usize::try_from(count).unwrap_or(0);
            if config.limits.max_queued_messages == 0 {
                config.limits.max_queued_messages = u32::MAX as usize;
            }
            Ok(None)
        }),
    ),
    (
        "memory_limit",
        Meaning::Set(|config, directive| {
            config.limits.memory_limit = bytes_or_off(directive)?;
            Ok(None)
        }),
    ),
    (
        "message_size_limit",
        Meaning::Set(|config, directive| {
            config.limits.max_payload = bytes_or_off(directive)?;
            Ok(None)
        }),
    ),
    ("packet_buffer_size", Meaning::Nothing(NO_SUCH_BUFFER)),
    ("persistence", Meaning::Set(persistence)),
    ("persistence_file", Meaning::Nothing(OWN_DATA)),
    ("persistence_location", Meaning::Nothing(OWN_DATA)),
    (
        "persistent_client_expiration",
        Meaning::Set(|config, directive| {
            config.limits.max_session_expiry = Some(duration(directive)?);
            Ok(None)
        }),
    ),
    ("pid_file", Meaning::Nothing("vaux writes none; the data directory is locked against a second broker")),
    (
        "queue_qos0_messages",
        Meaning::Set(|config, directive| {
            config.limits.queue_qos0 = directive.flag()?;
            Ok(None)
        }),
    ),
    (
        "retain_available",
        Meaning::Set(|config, directive| {
            config.mqtt.retain_available = directive.flag()?;
            Ok(None)
        }),
    ),
    (
        "retain_expiry_interval",
        Meaning::Nothing(
            "retained messages expire when their publisher says so; limits.max_message_expiry is for all messages",
        ),
    ),
    ("retained_persistence", Meaning::Set(persistence)),
    ("retry_interval", Meaning::Nothing("mosquitto itself does nothing with it")),
    ("set_tcp_nodelay", Meaning::Nothing("packets are never held back")),
    (
        "sys_interval",
        Meaning::Set(|config, directive| {
            let seconds = directive.number(0..=65_535)?;
            config.sys.interval = Duration::from_secs(seconds.unsigned_abs());
            Ok(None)
        }),
    ),
    (
        "upgrade_outgoing_qos",
        Meaning::Set(|config, directive| {
            config.mqtt.upgrade_outgoing_qos = directive.flag()?;
            Ok(None)
        }),
    ),
    ("user", Meaning::Nothing("start the broker as this user: vaux does not become another one")),
    ("websockets_headers_size", Meaning::Nothing(NO_SUCH_BUFFER)),
    ("websockets_log_level", Meaning::Nothing("the log has one filter for all")),
];

/// Whether there is such a directive.
pub(super) fn is_known(name: &str) -> bool {
    DIRECTIVES.iter().any(|(known, _)| *known == name)
}

/// What mosquitto does that is told nothing, where it is not what vaux does then. Where mosquitto has no limit, that of
/// vaux stays.
pub(super) fn defaults() -> Config {
    let mut config = Config::default();
    config.limits.max_inflight = 20;
    config.limits.receive_maximum = 20;
    config.limits.max_queued_messages = 1_000;
    config.store.engine = StoreEngine::Memory;
    config
}

/// Carries directives out.
pub(super) fn apply(
    directives: &[Directive],
    config: &mut Config,
    report: &mut Report,
) -> Result<(), CliError> {
    let mut about_log = Vec::new();
    for directive in directives {
        let meaning = DIRECTIVES.iter().find(|(name, _)| *name == directive.name).map(|(_, meaning)| meaning);
        match meaning.expect("only known ones are sorted here") {
            Meaning::Set(set) => {
                if let Some(remark) = set(config, directive)? {
                    report.note(directive, remark);
                }
            }
            Meaning::Nothing(why) => report.note(directive, why),
            Meaning::Refused(why) => report.refuse(directive, why),
            Meaning::Log => about_log.push(directive),
        }
    }
    super::log::apply(&about_log, config, report)
}

/// Below 1 mosquitto has no limit, and vaux its own.
fn set_count(limit: &mut usize, directive: &Directive) -> Result<Option<&'static str>, CliError> {
    let count = directive.number(-1..=i64::from(i32::MAX))?;
    if let Some(count) = usize::try_from(count).ok().filter(|count| *count > 0) {
        *limit = count;
    }
    Ok(None)
}

fn bytes_or_off(directive: &Directive) -> Result<Option<usize>, CliError> {
    let bytes = directive.number(i64::MIN..=1 << 50)?;
    Ok(usize::try_from(bytes).ok().filter(|bytes| *bytes > 0))
}

/// In both directions, as in mosquitto.
fn max_inflight_messages(
    config: &mut Config,
    directive: &Directive,
) -> Result<Option<&'static str>, CliError> {
    let count = directive.number(0..=65_535)?;
    let count = u16::try_from(count).ok().filter(|count| *count > 0).unwrap_or(u16::MAX);
    config.limits.max_inflight = count;
    config.limits.receive_maximum = count;
    Ok(None)
}

fn max_keepalive(config: &mut Config, directive: &Directive) -> Result<Option<&'static str>, CliError> {
    let seconds = directive.number(0..=65_535)?;
    let seconds = u16::try_from(seconds).ok().filter(|seconds| *seconds > 0).unwrap_or(u16::MAX);
    config.limits.max_keep_alive = seconds;
    let is_shorter = seconds < u16::MAX;
    Ok(is_shorter.then_some("clients of versions 3.1 and 3.1.1 that want more are refused, too"))
}

fn max_packet_size(config: &mut Config, directive: &Directive) -> Result<Option<&'static str>, CliError> {
    const LEAST: usize = 256;
    const MOST: usize = 5 + 268_435_455;
    let bytes = directive.number(20..=i64::from(i32::MAX))?;
    let bytes = usize::try_from(bytes).unwrap_or(MOST);
    let limits = &mut config.limits;
    limits.max_packet_size = bytes.clamp(LEAST, MOST);
    limits.max_connect_packet = limits.max_connect_packet.min(limits.max_packet_size);
    Ok((bytes < LEAST).then_some("it is 256 bytes at least"))
}

fn persistence(config: &mut Config, directive: &Directive) -> Result<Option<&'static str>, CliError> {
    config.store.engine = if directive.flag()? { StoreEngine::Disk } else { StoreEngine::Memory };
    Ok(None)
}

/// A number with a unit, of which months have 30 days.
fn duration(directive: &Directive) -> Result<Duration, CliError> {
    const DAY: u64 = 86_400;
    let word = directive.word()?;
    let wrong = || directive.mistake(format_args!("must be a number with h, d, w, m or y, not {word:?}"));
    let units = [("s", 1), ("h", 3_600), ("d", DAY), ("w", 7 * DAY), ("m", 30 * DAY), ("y", 365 * DAY)];
    let (number, seconds) = units
        .into_iter()
        .find_map(|(unit, seconds)| Some((word.strip_suffix(unit)?, seconds)))
        .ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).filter(|seconds| *seconds > 0).map(Duration::from_secs).ok_or_else(wrong)
}
