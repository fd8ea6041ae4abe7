use super::*;

/// Nobody.
const USER: u32 = 65_534;

#[test]
fn not_even_root_keeps_capabilities() {
    let place = Place::new();
    let (prepared, mut child) = place.start(&place.confinement(), "read; exit 0");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status(child.id(), set), "0000000000000000", "{set}");
    }
    child.stdin.take();
    child.wait().unwrap();
    remove(&prepared);
}

#[test]
fn nothing_gains_privileges_by_being_executed() {
    let place = Place::new();
    let (prepared, mut child) = place.start(&place.confinement(), "read; exit 0");
    assert_eq!(status(child.id(), "NoNewPrivs"), "1");
    // Filters are in force.
    assert_eq!(status(child.id(), "Seccomp"), "2");
    child.stdin.take();
    child.wait().unwrap();
    remove(&prepared);
}

#[test]
fn limits_are_set_and_cores_are_not_dumped() {
    let place = Place::new();
    let mut confinement = place.confinement();
    confinement.limits = Limits {
        cpu_seconds: Some(77),
        file_bytes: Some(1 << 20),
        processes: Some(66),
        ..Limits::default()
    };
    let (prepared, mut child) = place.start(&confinement, "read; exit 0");
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(limit("Max core file size"), "0 0");
    // Above what all together have: Terraform must be interrupted before, and save its state.
    assert_eq!(limit("Max cpu time"), "214 214");
    assert_eq!(limit("Max file size"), "1048576 1048576");
    // Those of this user are everybody's.
    assert_ne!(limit("Max processes"), "66 66");
    let score = fs::read_to_string(format!("/proc/{}/oom_score_adj", child.id())).unwrap();
    assert_eq!(score, "500\n");
    child.stdin.take();
    child.wait().unwrap();
    remove(&prepared);
    let ran = place.run(&confinement, "head -c 2000000 /dev/zero > large");
    assert!(!ran.is_well, "{ran:?}");
    assert_eq!(fs::metadata(place.work.join("large")).unwrap().len(), 1 << 20);
}

#[test]
fn another_user_has_its_own_ids_and_limits() {
    let place = Place::new();
    let mut confinement = place.confinement();
    confinement.user = Some((USER, USER));
    confinement.limits.processes = Some(66);
    if wall::changes_users().is_err() {
        let error = confinement.prepare(&name()).unwrap_err();
        assert!(matches!(error, ConfineError::Unmet(_)), "{error}");
        return;
    }
    std::os::unix::fs::chown(&place.work, Some(USER), Some(USER)).unwrap();
    let (prepared, mut child) = place.start(&confinement, "touch own; read; exit 0");
    assert!(prepared.active().contains(&Mechanism::Users));
    let ids = [USER; 4].map(|id| id.to_string()).join("\t");
    assert_eq!(status(child.id(), "Uid"), ids);
    assert_eq!(status(child.id(), "Gid"), ids);
    assert_eq!(status(child.id(), "Groups"), "");
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let processes = limits.lines().find(|line| line.starts_with("Max processes")).unwrap();
    assert!(processes.contains(" 66 "), "{processes}");
    child.stdin.take();
    child.wait().unwrap();
    remove(&prepared);
    assert!(place.work.join("own").exists());
}
