//! Reloading while clients are connected.

use std::fs;

use crate::healthy::Pair;
use crate::program::Program;

#[test]
fn a_hundred_reloads_good_and_bad_drop_nobody() {
    let home = tempfile::tempdir().unwrap();
    let write = |limits: &str| {
        let listeners = "[[listener]]\nkind = \"tcp\"\nname = \"plain\"\nbind = \"127.0.0.1:0\"\n\
                         [[listener]]\nbind = \"127.0.0.1:0\"\n";
        fs::write(home.path().join("broker.toml"), format!("{listeners}[limits]\n{limits}\n")).unwrap();
    };
    write("");
    let broker = Program::start(home.path(), "true", "-c broker.toml --data-dir data");
    let pairs: Vec<_> = ["a", "b", "c"].map(|name| Pair::begin_as(broker.address, name)).into();
    for number in 0..100 {
        match number % 3 {
            0 => write("max_sessions = 1000"),
            1 => write("publish_rate = 1000000"),
            _ => write("max_sessions = \"many\""),
        }
        broker.hang_up();
        broker.wait_for(if number % 3 == 2 { "not reloaded" } else { ": reloaded" });
    }
    pairs.into_iter().for_each(Pair::end);
}
