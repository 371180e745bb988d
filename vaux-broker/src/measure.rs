//! What the process takes, as the system sees it.

/// The memory that the process holds, and the most that it ever held, in bytes. Zeros where the system does not say.
pub(crate) fn resident_bytes() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    (field("VmRSS:"), field("VmHWM:"))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_holds_some_memory_and_never_held_less_than_now() {
        let (resident, peak) = resident_bytes();
        assert!(resident > 100 << 10);
        assert!(peak >= resident);
    }
}
