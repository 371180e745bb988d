//! On which processor a program runs.

use std::process::Command;

use clap::Args;

/// The processors of broker and load generator.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Processors {
    /// The processor that the broker is pinned to
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    broker_cpu: usize,
    /// The processor that the load generator is pinned to
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    load_cpu: usize,
}

/// Where one program runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placement(Option<usize>);

impl Processors {
    /// Where the broker runs, if it is pinned.
    pub(crate) fn broker(&self, pinned: bool) -> Placement {
        if pinned { Placement(Some(self.broker_cpu)) } else { Placement::anywhere() }
    }

    /// Where the load generator runs, if it is pinned.
    pub(crate) fn load(&self, pinned: bool) -> Placement {
        if pinned { Placement(Some(self.load_cpu)) } else { Placement::anywhere() }
    }
}

impl Placement {
    /// On any processor.
    pub(crate) fn anywhere() -> Placement {
        Placement(None)
    }

    /// The command that starts a program there, with as many open files as the system allows.
    ///
    /// Each of these programs replaces itself by the next, so that the process is in the end the program's own.
    pub(crate) fn command(self, words: &[String]) -> Command {
        let mut shell = vec!["sh", "-c", "ulimit -S -n \"$(ulimit -H -n)\"; exec \"$@\"", "sh"];
        let cpu = self.0.map(|cpu| cpu.to_string());
        if let Some(cpu) = &cpu {
            shell.splice(0..0, ["taskset", "-c", cpu]);
        }
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).args(words);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_gets_its_arguments_as_they_are() {
        let words = ["printf", "%s|", "a b", "$x", "'"].map(str::to_owned);
        let output = Placement::anywhere().command(&words).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "a b|$x|'|");
    }
}
