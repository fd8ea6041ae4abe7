//! A GitLab inside the company: a certificate of its own authority.

use super::{Scene, TOKEN, policy};
use blockhouse_remotes::GitLab;
use blockhouse_remotes::gitlab::Project;
use blockhouse_tests::Authority;

fn gitlab(authority: &Authority) -> GitLab {
    let project = Project::new(42, "acme/infra", TOKEN).reference("main");
    let acceptor = authority.server("localhost", false).unwrap();
    GitLab::builder().project(project).tls(acceptor).start().unwrap()
}

#[tokio::test]
async fn the_authority_of_the_policy_is_trusted_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, others) = (Authority::new().unwrap(), Authority::new().unwrap());
    let file = directory.path().join("TEST-ONLY-ca.pem");
    std::fs::write(&file, ours.pem()).unwrap();

    let gitlab_of_ours = gitlab(&ours);
    let trusting = policy(&gitlab_of_ours).trusting(&file);
    let scene = Scene::under(gitlab_of_ours, &trusting).await;
    scene.trigger(scene.spec()).await;

    let gitlab_of_others = gitlab(&others);
    let trusting = policy(&gitlab_of_others).trusting(&file);
    let scene = Scene::under(gitlab_of_others, &trusting).await;
    let text = scene.refuse(scene.spec()).await;
    assert!(text.contains("can't be reached") && text.contains("TLS"), "{text}");
    assert_eq!(scene.triggers(), 0);
}
