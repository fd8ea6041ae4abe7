//! Configurations and gates.

use blockhouse_tests::patience;
use blockhouse_tests::terraform::{LoopbackGate, Module, bombs, quoted};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn visitor(gate: &LoopbackGate, name: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gate.address()).await.unwrap();
    stream.write_all(format!("{name}\n").as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_gate_holds_until_it_is_opened_and_knows_who_gave_up() {
    let gate = LoopbackGate::new().await.unwrap();
    let mut waits = visitor(&gate, "waits").await;
    gate.reached(1, patience()).await.unwrap();
    let gives_up = visitor(&gate, "gives up").await;
    gate.reached(2, patience()).await.unwrap();
    drop(gives_up);
    gate.deserted(1, patience()).await.unwrap();
    assert_eq!((gate.gone(), gate.passed()), (vec!["gives up".to_owned()], vec![]));
    gate.open();
    let mut word = [0; 3];
    waits.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"go\n");
    gate.close();
    let mut later = visitor(&gate, "later").await;
    gate.reached(3, patience()).await.unwrap();
    drop(gate);
    assert_eq!(later.read(&mut word).await.unwrap_or_default(), 0, "a gate that vanishes says no");
}

#[test]
fn a_text_means_itself_in_hcl() {
    assert_eq!(quoted("a\"b\\c\n"), r#""a\"b\\c\n""#);
    assert_eq!(quoted("${x} %{y}"), r#""$${x} %%{y}""#);
}

#[test]
fn a_module_is_written_as_the_files_that_it_says() {
    let module = Module::new().hcl("# one").resource("a").file("x/y", "z").below("modules/m");
    let directory = tempfile::tempdir().unwrap();
    module.write_to(directory.path()).unwrap();
    let read = |name| std::fs::read_to_string(directory.path().join("modules/m").join(name));
    assert_eq!(read("x/y").unwrap(), "z");
    let main = read("main.tf").unwrap();
    assert!(main.starts_with("# one\n") && main.contains("\"terraform_data\" \"a\""), "{main}");
    assert_eq!(module.files().count(), 2);
}

#[test]
fn bombs_are_small_enough_for_a_repository() {
    assert!(bombs().iter().all(|bomb| bomb.text.len() < 4 << 20));
}
