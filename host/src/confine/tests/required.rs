use super::*;

const ALL: [Mechanism; 4] =
    [Mechanism::Cgroup, Mechanism::Landlock, Mechanism::NoNetwork, Mechanism::NoNewPrivileges];

#[test]
fn what_is_required_and_missing_is_an_error() {
    let place = Place::new();
    for mechanism in ALL {
        let mut confinement = place.confinement();
        confinement.required = vec![mechanism];
        match (confinement.prepare(&name()), &*missing(&[mechanism])) {
            (Ok(prepared), []) => {
                assert!(prepared.active().contains(&mechanism), "{mechanism}");
                remove(&prepared);
            }
            (Err(ConfineError::Unmet(unmet)), missing) => assert_eq!(unmet, missing),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_user_that_nobody_has_configured_is_missing() {
    let place = Place::new();
    let mut confinement = place.confinement();
    confinement.required = vec![Mechanism::Users];
    let error = confinement.prepare(&name()).unwrap_err().to_string();
    let expected = "this machine can't confine it as required: `users`: ";
    assert!(error.starts_with(expected) && error.contains("no user is configured"), "{error}");
}

/// What Linux has since 6.2, and every one that we support.
#[test]
fn this_machine_confines_files_and_calls() {
    let expected = [Mechanism::Landlock, Mechanism::NoNetwork, Mechanism::NoNewPrivileges];
    assert_eq!(missing(&expected), []);
}
