//! The real Terraform, where this machine has one.

use super::*;
use blockhouse::shim::StopReason;

const TERRAFORM: &str = "/usr/local/bin/terraform";

const CONFIGURATION: &str = r#"
resource "terraform_data" "first" {}
resource "terraform_data" "slow" {
  depends_on = [terraform_data.first]
  provisioner "local-exec" {
    command = "echo > begun; sleep 1000"
  }
}
"#;

#[tokio::test]
async fn an_interrupted_apply_has_saved_its_state_and_left_no_process() {
    if !Path::new(TERRAFORM).exists() {
        return;
    }
    let place = Place::new();
    fs::write(place.work().join("main.tf"), CONFIGURATION).unwrap();
    let terraform = |arguments: &[&str]| {
        let mut spec = place.spec(TERRAFORM, arguments);
        let home = place.work().to_str().unwrap().to_owned();
        spec.environment.push(("HOME".to_owned(), home.clone()));
        spec.environment.push(("TMPDIR".to_owned(), home));
        spec.environment.push(("CHECKPOINT_DISABLE".to_owned(), "1".to_owned()));
        spec
    };
    assert_eq!(place.run(terraform(&["init", "-input=false"])).await.exit, Exit::Code(0));
    fs::remove_dir_all(place.operation()).unwrap();
    fs::create_dir(place.operation()).unwrap();
    let mut operation =
        place.start(terraform(&["apply", "-auto-approve", "-input=false", "-no-color"])).await;
    place.wait_for_file("begun").await;
    operation.interrupt(StopReason::ByUser).unwrap();
    let end = end_of(&mut operation).await;
    let output = fs::read_to_string(operation.stdout()).unwrap();
    assert!(output.contains("Interrupt received"), "{output}");
    assert_eq!(end.exit, Exit::Code(1), "{output}");
    assert_eq!(end.stop.unwrap().interrupts, 1);
    let state: serde_json::Value = serde_json::from_str(&place.file("terraform.tfstate")).unwrap();
    assert!(state.to_string().contains("first"), "{state}");
    assert!(end.swept >= 1, "the sleep of local-exec outlives Terraform");
    place.expect_no_survivors();
    assert!(!place.work().join(".terraform.tfstate.lock.info").exists());
}
