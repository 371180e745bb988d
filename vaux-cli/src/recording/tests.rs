//! Recordings as text, written and read.

use std::io::Cursor;

use vaux_client::QoS;

use super::*;

fn read(text: &[u8]) -> Result<(Vec<Record>, Reader), String> {
    read_as(text, false)
}

fn read_as(text: &[u8], is_base64: bool) -> Result<(Vec<Record>, Reader), String> {
    let told = |error: crate::cli_error::CliError| match error {
        crate::cli_error::CliError::Capture { why, .. } => why,
        crate::cli_error::CliError::Recording { line, why, .. } => format!("{line}: {why}"),
        other => panic!("{other:?}"),
    };
    let input = Box::new(Cursor::new(text.to_vec()));
    let mut reader = Reader::new(input, "test".to_owned(), is_base64).map_err(told)?;
    let mut records = Vec::new();
    while let Some(record) = reader.next().map_err(told)? {
        records.push(record);
    }
    Ok((records, reader))
}

fn messages() -> Vec<Message> {
    let with_properties = Message::new("a/b", "21.5")
        .qos(QoS::AtLeastOnce)
        .property(Property::ContentType("text/plain"))
        .and_then(|message| message.property(Property::UserProperty("k", "°")))
        .and_then(|message| message.property(Property::CorrelationData(b"\xff\0")))
        .unwrap();
    let binary = Message::new("cam", &b"\0\x01\xff\n"[..]).retain(true);
    vec![with_properties, binary, Message::new("empty", "").qos(QoS::ExactlyOnce)]
}

fn recorded() -> Vec<u8> {
    let mut out = Vec::new();
    let header = Header {
        start: "2026-11-22T21:00:00Z".parse().unwrap(),
        broker: "localhost:8883".to_owned(),
        version: vaux_client::Version::V5,
        filters: vec!["#".to_owned()],
    };
    write_header(&mut out, &header).unwrap();
    for (index, message) in messages().iter().enumerate() {
        write_record(&mut out, 1_204_113 + index as u64, message).unwrap();
    }
    out
}

#[test]
fn what_is_written_is_read_again() {
    let (records, reader) = read(&recorded()).unwrap();
    assert!(records.iter().map(|record| &record.message).eq(messages().iter()));
    assert_eq!(records[2].us, 1_204_115);
    assert_eq!(reader.origin().broker.as_deref(), Some("localhost:8883"));
    assert_eq!(reader.missing(), Missing::default());
}

#[test]
fn the_lines_are_those_of_the_contract() {
    let text = String::from_utf8(recorded()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[0],
        r##"{"vaux":"rec/1","start":"2026-11-22T21:00:00.000000Z","broker":"localhost:8883","v":5,"filters":["#"]}"##
    );
    assert_eq!(
        lines[1],
        r#"{"us":1204113,"t":"a/b","q":1,"r":false,"p":"21.5","props":[["content-type","text/plain"],["user-property","k","°"],["correlation-data",{"base64":"/wA="}]]}"#
    );
    assert_eq!(lines[2], r#"{"us":1204114,"t":"cam","q":0,"r":true,"b64":"AAH/Cg=="}"#);
}

#[test]
fn a_torn_last_line_is_tolerated_wherever_it_is_torn() {
    let whole = recorded();
    for len in 0..whole.len() {
        let (records, _) = read(&whole[..len]).unwrap_or_else(|error| panic!("{len}: {error}"));
        // A line that lacks nothing but its end is whole.
        let lines = whole[..=len].iter().filter(|&&byte| byte == b'\n').count();
        assert_eq!(records.len(), lines.saturating_sub(1), "{len}");
    }
}

#[test]
fn what_belongs_to_one_connection_is_left_out() {
    let line = r#"{"us":1,"t":"a","q":0,"r":false,"p":"","props":[["topic-alias",3],["subscription-identifier",7],["content-type","x"]],"new":1}"#;
    let (records, _) = read(line.as_bytes()).unwrap();
    let properties: Vec<_> = records[0].message.properties.list().iter().collect();
    assert_eq!(properties, [Property::ContentType("x")]);
}

#[test]
fn a_later_header_begins_a_part() {
    let text = [
        r#"{"vaux":"rec/1","start":"2026-11-22T21:00:00Z"}"#,
        r#"{"us":5,"t":"a","p":""}"#,
        r#"{"vaux":"rec/1","start":"2026-11-22T21:00:10Z"}"#,
        r#"{"us":5,"t":"a","p":""}"#,
    ];
    let (records, _) = read(text.join("\n").as_bytes()).unwrap();
    assert_eq!(records.iter().map(|record| record.us).collect::<Vec<_>>(), [5, 10_000_005]);
}

#[test]
fn lines_that_do_not_read_are_told_with_their_number() {
    let header = r#"{"vaux":"rec/1","start":"2026-11-22T21:00:00Z"}"#;
    for (line, why) in [
        (r#"{"us":1,"t":"a/#","p":""}"#, "the topic"),
        (r#"{"us":1,"t":"a","q":3,"p":""}"#, "the QoS"),
        (r#"{"us":1,"t":"a"}"#, "neither p nor b64"),
        (r#"{"us":1,"t":"a","p":"","b64":""}"#, "both p and b64"),
        (r#"{"us":1,"t":"a","b64":"?"}"#, "no base64"),
        (r#"{"us":1,"t":"a","p":"","props":[["colour","red"]]}"#, "no property colour"),
        (r#"{"us":1,"t":"a","p":"","props":[["content-type",1]]}"#, "no value"),
        (r#"{"us":-1,"t":"a","p":""}"#, "no line of a recording"),
        ("garbage", "no line of a recording"),
        (r#"{"vaux":"rec/2","start":"2026-11-22T21:00:00Z"}"#, "rec/2"),
    ] {
        let error = read(format!("{header}\n{line}\n").as_bytes()).map(|_| ()).unwrap_err();
        assert!(error.starts_with("2: ") && error.contains(why), "{line}: {error}");
    }
    assert!(read(b"\xd4\xc3\xb2\xa1\0\0").is_err());
    assert!(read(b"\xff\xfe\n").is_err());
}

#[test]
fn the_messages_of_a_capture_are_what_clients_published() {
    let capture = include_bytes!("../../../fixtures/captures/paho-5.pcapng");
    let (records, reader) = read(capture).unwrap();
    // Six were published; the six that came back to the subscriber are copies.
    assert_eq!(records.len(), 6);
    let expected = Message::new("p/t", &b"\0\x01\xff"[..]);
    assert_eq!(
        (&records[0].message.topic, &records[0].message.payload),
        (&expected.topic, &expected.payload)
    );
    let qos: Vec<_> = records.iter().map(|record| record.message.qos.bits()).collect();
    assert_eq!(qos, [0, 0, 1, 1, 2, 2]);
    assert_eq!(records[0].message.properties.list().user_properties().count(), 2);
    assert_eq!(records[0].us, 0);
    assert!(records.is_sorted_by_key(|record| record.us) && records[5].us > 1000);
    assert_eq!(reader.origin().broker.as_deref(), Some("127.0.0.1:51255"));
    assert_eq!(reader.origin().start.unwrap().to_string(), "2026-11-26T03:02:05.569585Z");
    assert_eq!(reader.missing(), Missing { is_capture: true, ..Missing::default() });
    let (_, reader) = read(&capture[..capture.len() - 1]).unwrap();
    assert!(reader.missing().is_torn);
}

#[test]
fn lines_of_mosquitto_sub_are_read() {
    // As mosquitto_sub 2.0.11 wrote them.
    let text = [
        r#"{"tst":"2026-11-25T23:41:10.204870Z+0000","topic":"a/b","qos":1,"retain":1,"payloadlen":12,"mid":1,"properties":{"content-type":"text/x","user-properties":{"k":"v","k":"w"},"correlation-data":"abc"},"payload":"{\"x\": 21.50}"}"#,
        r#"{"tst":"2026-11-25T23:41:11.204870Z+0000","topic":"a/b","qos":0,"retain":0,"payloadlen":12,"payload":{"x":21.50}}"#,
        r#"{"tst":"2026-11-25T23:41:12.204870Z+0000","topic":"bin","qos":0,"retain":0,"payloadlen":3,"payload":""}"#,
        r#"{"tst":"2026-11-25T23:41:13.204870Z+0000","topic":"s","qos":0,"retain":0,"payloadlen":3,"payload":"s"}"#,
        r#"{"tst":"2026-11-26T01:41:14.204870+0200","topic":"e","qos":2,"retain":0,"payloadlen":0,"payload":null}"#,
        r#"{"time":"2026-11-25T23:41:15.204870Z","topic":"v","qos":0,"retain":true,"dup":false,"properties":[["content-type","x"]],"payload_base64":"/w=="}"#,
    ];
    let (records, reader) = read(text.join("\n").as_bytes()).unwrap();
    let payloads: Vec<&[u8]> = records.iter().map(|record| &*record.message.payload).collect();
    assert_eq!(payloads, [&br#"{"x": 21.50}"#[..], br#"{"x":21.50}"#, br#""s""#, b"", b"\xff"]);
    assert_eq!(reader.missing().cut, 1);
    let seconds: Vec<_> = records.iter().map(|record| record.us / 1_000_000).collect();
    assert_eq!(seconds, [0, 1, 3, 4, 5]);
    let users: Vec<_> = records[0].message.properties.list().user_properties().collect::<Vec<_>>().to_vec();
    assert_eq!(users, [("k", "v"), ("k", "w")]);
    assert!(records[0].message.retain && records[4].message.retain && !records[1].message.retain);
}

#[test]
fn rows_of_mqtt_recorder_are_read() {
    let text = "a/b,21.5,1,False,1700000000.25,0.1\r\nc,\"say \"\"hi\"\",\nthere\",0,True,1700000001.5,1.25\r\nd,torn";
    let (records, reader) = read(text.as_bytes()).unwrap();
    assert_eq!(records[0].message, Message::new("a/b", "21.5").qos(QoS::AtLeastOnce));
    assert_eq!(records[1].message, Message::new("c", "say \"hi\",\nthere").retain(true));
    assert_eq!((records.len(), records[1].us), (2, 1_250_000));
    assert_eq!((reader.missing().is_torn, reader.missing().cut), (true, 0));
    let (records, _) = read_as(b"a,AP8=,0,False,1.0,0\n", true).unwrap();
    assert_eq!(&*records[0].message.payload, b"\0\xff");
    for row in
        ["a,b,0\n", "a,b,x,False,1,1\n", "a,b,0,maybe,1,1\n", "a,b,0,False,never,1\n", "a,b,0,False,-1,1\n"]
    {
        assert!(read(row.as_bytes()).is_err(), "{row}");
    }
}
