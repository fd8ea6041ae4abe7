use super::*;

const CONFIGURATION: &str = r#"
resource "terraform_data" "one" {
  input = "kept"
  provisioner "local-exec" {
    command     = "echo made > made; cat <(echo substituted)"
    interpreter = ["bash", "--noprofile", "--norc", "-c"]
  }
}
output "one" {
  value = terraform_data.one.output
}
"#;

/// The real one, which has nothing but what a run gives it.
#[test]
fn terraform_works_within_its_paths_and_without_network() {
    let place = Place::new();
    let [home, tmp, data] = ["home", "tmp", "data"].map(|name| {
        let path = place.work.parent().unwrap().join(name);
        fs::create_dir(&path).unwrap();
        path
    });
    fs::write(place.work.join("main.tf"), CONFIGURATION).unwrap();
    let mut confinement = place.confinement();
    confinement.write.extend([home.clone(), tmp.clone(), data.clone()]);
    confinement.required = vec![Mechanism::Landlock, Mechanism::NoNetwork];
    for verb in [
        "init -input=false",
        "plan -input=false -out=\"$TMPDIR/plan\"",
        "apply -input=false \"$TMPDIR/plan\"",
        "output -raw one",
        "destroy -input=false -auto-approve",
    ] {
        let mut command = place.bash(&format!("exec terraform {verb} -no-color"));
        command.env("HOME", &home).env("TMPDIR", &tmp).env("TF_DATA_DIR", &data);
        command.env("CHECKPOINT_DISABLE", "1").env("TF_IN_AUTOMATION", "1");
        let mut prepared = confinement.prepare(&name()).unwrap();
        prepared.apply(&mut command);
        let ran = Ran::from(command.output().unwrap());
        assert!(ran.is_well, "{verb}: {ran:?}");
        if verb.starts_with("apply") {
            assert!(ran.stdout.contains("(local-exec): substituted"), "{ran:?}");
            assert_eq!(fs::read_to_string(place.work.join("made")).unwrap(), "made\n");
        }
        remove(&prepared);
    }
}
