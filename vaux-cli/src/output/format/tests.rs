//! What formats print. The expected output is that of mosquitto_sub 2.0.11, but for hex that is narrower than its
//! field, of which it prints a part only.

use vaux_client::{Property, QoS};

use super::*;

fn printed(format: &str) -> String {
    let message = Message::new("a/b", "hello")
        .qos(QoS::AtLeastOnce)
        .retain(true)
        .property(Property::ContentType("text/x"))
        .and_then(|message| message.property(Property::UserProperty("k", "v")))
        .and_then(|message| message.property(Property::UserProperty("k2", "v2")))
        .and_then(|message| message.property(Property::CorrelationData(b"abc")))
        .and_then(|message| message.property(Property::ResponseTopic("r/t")))
        .and_then(|message| message.property(Property::MessageExpiryInterval(3599)))
        .and_then(|message| message.property(Property::PayloadFormatIndicator(1)))
        .unwrap();
    let now: Zoned = "2026-11-26T00:07:11.676849935[UTC]".parse().unwrap();
    let mut out = Vec::new();
    let format: Format = format.parse().unwrap_or_else(|error| panic!("{format}: {error}"));
    assert!(format.write(&mut out, &message, &now, false).unwrap());
    String::from_utf8(out).unwrap()
}

#[test]
fn sequences_are_as_wide_as_mosquitto_makes_them() {
    for (format, expected) in [
        ("%10t", "       a/b"),
        ("%-10t", "a/b       "),
        ("%010t", "       a/b"),
        ("%.2t", "a/"),
        ("%10.2t", "        a/"),
        ("%-10.2t", "a/        "),
        ("%10p", "     hello"),
        ("%-10p", "hello     "),
        ("%010p", "00000hello"),
        ("%.2p", "hello"),
        ("%-10.3p", "hello     "),
        ("%.4x", "68656c6c6f"),
        ("%.3X", "68656C6C6F"),
        ("%12x", "  68656c6c6f"),
        ("%014x", "000068656c6c6f"),
        ("%8l", "       5"),
        ("%08l", "00000005"),
        ("%-8l", "5       "),
        ("%-08l", "5       "),
        ("%.3l", "5"),
        ("%8q", "1"),
        ("%08r", "1"),
        ("%08E", "00003599"),
        ("%8F", "       1"),
        ("%8A", "        "),
        ("%08A", "00000000"),
        ("%8S", "        "),
        ("%10C", "    text/x"),
        ("%.3C", "tex"),
        ("%10D", "abc"),
        ("%-10R", "r/t       "),
        ("%10P", "k:v k2:v2"),
        ("%5%", "%"),
        ("%30I", "      2026-11-26T00:07:11+0000"),
        ("%.10I", "2026-11-26"),
        ("%.3U", "1795651631.676849935"),
        ("%-25U|", "1795651631.676849935     |"),
    ] {
        assert_eq!(printed(format), expected, "{format}");
    }
}

#[test]
fn times_have_the_forms_of_strftime() {
    for (format, expected) in [
        ("@Y-@m-@d @@ @z@Z @N", "2026-11-26 @ +0000UTC 676849935"),
        ("@j @a @A @b @B @p @y @C @e @U @w", "330 Thu Thursday Nov November AM 26 20 26 47 4"),
        ("@s @D @F @T @R", "1795651631 11/26/26 2026-11-26 00:07:11 00:07"),
        ("@k @l @P @G @g @V @u @W @x @X", " 0 12 am 2026 26 48 4 47 11/26/26 00:07:11"),
        ("@c|@r|@h|@I", "Thu Nov 26 00:07:11 2026|12:07:11 AM|Nov|12"),
        ("@H:@M:@S@n@t", "00:07:11\n\t"),
    ] {
        assert_eq!(printed(format), expected, "{format}");
    }
}

#[test]
fn formats_that_cannot_be_read_are_told() {
    for (format, message) in [
        ("%z", "there is no sequence %z"),
        ("%8]", "there is no sequence %]"),
        ("%-5-p", "there is no sequence %-"),
        ("%", "it ends in the middle of a sequence, behind %"),
        ("%8.", "it ends in the middle of a sequence, behind %"),
        ("@", "it ends in the middle of a sequence, behind @"),
        ("\\q", "there is no sequence \\q"),
        ("@E", "there is no sequence @E"),
        ("%99999999999999999999t", "a width or precision is larger than 65535"),
    ] {
        assert_eq!(format.parse::<Format>().unwrap_err().to_string(), message);
    }
}
