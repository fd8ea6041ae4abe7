use super::*;
use std::io::{BufRead as _, BufReader};

#[test]
fn what_left_its_session_is_killed_with_the_rest() {
    let place = Place::new();
    let script = "setsid bash -c 'echo $$; exec sleep 60' & wait";
    let (prepared, mut child) = place.start(&place.confinement(), script);
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let grandchild: u32 = line.trim().parse().unwrap();
    let Some(group) = prepared.group() else {
        assert!(crate::confine::group::probe().is_err(), "one can be made here");
        kill(child, grandchild);
        return;
    };
    let inside = group.processes().unwrap();
    assert!(inside.contains(&child.id()) && inside.contains(&grandchild), "{inside:?}");
    assert_eq!(Group::find(group.path()).as_ref(), Some(group));
    assert!(group.remove().is_err(), "there is somebody in it");

    group.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    remove(&prepared);
    assert!(!is_alive(grandchild));
    assert_eq!(Group::find(group.path()), None);
    group.remove().unwrap();
}

/// Where there are no groups.
fn kill(mut child: Child, grandchild: u32) {
    child.kill().unwrap();
    child.wait().unwrap();
    let place = Place::new();
    assert!(place.bash(&format!("kill -9 {grandchild}")).status().unwrap().success());
}

fn is_alive(process: u32) -> bool {
    fs::exists(format!("/proc/{process}")).unwrap() && !status(process, "State").starts_with('Z')
}

#[test]
fn a_process_can_be_added_later() {
    let place = Place::new();
    let Some(group) = Group::create(&name(), &Limits::default()).unwrap() else {
        assert!(crate::confine::group::probe().is_err(), "one can be made here");
        return;
    };
    let mut child = place.bash("sleep 60").spawn().unwrap();
    group.add(child.id()).unwrap();
    assert_eq!(group.processes().unwrap(), [child.id()]);
    assert!(!group.was_oom_killed());
    assert!(group.cpu().is_some());
    group.kill().unwrap();
    child.wait().unwrap();
    wait_for(|| group.remove().is_ok());
}

#[test]
fn limits_are_set_where_they_can_be() {
    let limits = Limits { memory_bytes: Some(1 << 30), processes: Some(77), ..Limits::default() };
    let Some(group) = Group::create(&name(), &limits).unwrap() else { return };
    let read = |file: &str| fs::read_to_string(group.path().join(file)).ok();
    for (file, expected) in [("memory.max", "1073741824\n"), ("pids.max", "77\n")] {
        assert!(read(file).is_none_or(|value| value == expected), "{file}");
    }
    assert_eq!(group.limits_processes(), read("pids.max").is_some());
    assert_eq!(group.is_limited(), read("memory.max").is_some() && read("pids.max").is_some());
    group.remove().unwrap();
}
