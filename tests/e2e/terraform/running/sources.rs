//! Where the sources come from, and which of them.

use super::{assert_failed_in, logged};
use crate::assert_ended;
use crate::terraform::{PROGRAM, all, scene};
use blockhouse_emulator::{RunSpec, RunState, RunView, Terraform};
use blockhouse_tests::GitFile::{Link, Submodule, Text};
use blockhouse_tests::terraform::{LoopbackGate, Module, Scene, Stage};
use blockhouse_tests::{Authority, GitHttp, GitRepository, GitSsh, base64, patience};
use serde_json::json;
use std::path::Path;

const TOKEN: &str = "hunter2-token-of-policy";

pub(super) fn telling(what: &str) -> Module {
    Module::new().output("which", &format!("\"{what}\""))
}

pub(super) fn which(run: &RunView) -> &serde_json::Value {
    assert_ended(run, RunState::Succeeded);
    &run.output("which").unwrap().value
}

#[tokio::test]
async fn a_branch_comes_before_a_tag_and_a_tag_before_a_commit() {
    let mut scene = scene(&telling("main")).await;
    let made = |branch: &str, what: &str| {
        let module = telling(what);
        let files: Vec<_> = module.files().map(|(path, bytes)| (path, Text(bytes))).collect();
        scene.repository.commit(branch, &files).unwrap()
    };
    let git = |arguments: &[&str]| scene.repository.git(arguments, b"").unwrap();
    made("both", "the branch");
    let tagged = made("other", "the tag");
    git(&["update-ref", "refs/tags/both", &tagged]);
    git(&["update-ref", "refs/tags/light", &tagged]);
    git(&["tag", "-a", "-m", "x", "annotated", &tagged]);
    made("feature/deep", "the deep branch");
    let commit = made("moved", "the commit");
    made("moved", "what came after it");
    // A tag that is named like a commit.
    git(&["update-ref", &format!("refs/tags/{}", git(&["rev-parse", "main"])), &tagged]);
    let main = git(&["rev-parse", "main"]);
    let cases = [
        (Some("both"), "the branch", "checked out the branch `both`"),
        (Some("light"), "the tag", "checked out the tag `light`"),
        (Some("annotated"), "the tag", "checked out the tag `annotated`"),
        (Some("feature/deep"), "the deep branch", "branch `feature/deep`"),
        (Some(commit.as_str()), "the commit", "checked out the commit"),
        (Some(main.as_str()), "the tag", "checked out the tag"),
        (Some(" both "), "the branch", "checked out the branch `both`"),
        (Some(""), "main", "checked out the default branch"),
        (None, "main", "checked out the default branch"),
    ];
    let specs: Vec<_> = cases
        .map(|(reference, ..)| {
            let terraform = scene.terraform().field("refName", json!(reference));
            RunSpec::terraform(terraform)
        })
        .into();
    let runs = all(&mut scene, specs).await;
    for ((reference, expected, words), run) in cases.iter().zip(&runs) {
        assert_eq!(which(run), expected, "{reference:?}");
        logged(run, "sources", words);
    }
}

#[tokio::test]
async fn only_the_folder_that_is_asked_for_is_there() {
    let module = telling("below").below("modules/x").file("secret-of-root.txt", "x");
    let mut scene = scene(&module).await;
    let list = |scene: &Scene, path: &str| {
        RunSpec::terraform(
            scene.terraform().path(path).pre_run_script("ls -A .; ls -A .. /work || true"),
        )
    };
    for path in ["modules/x", "/modules/x/", "./modules//x"] {
        let run = scene.execute(list(&scene, path)).await.unwrap();
        assert_eq!(which(&run), "below", "{path}");
        assert!(!crate::all_text(&run).contains("secret-of-root"), "{run:#?}");
    }
    let paths = ["nowhere", "modules/x/main.tf", "../modules/x", "modules/../modules/x", "-x"];
    let specs = paths.map(|path| list(&scene, path));
    for (path, run) in paths.iter().zip(all(&mut scene, specs).await) {
        assert_failed_in(&run, "sources", path);
    }
}

#[tokio::test]
async fn what_is_missing_or_means_harm_is_refused_by_its_name() {
    let mut scene = scene(&telling("main")).await;
    let outside = [("main.tf", Text(b"")), ("etc", Link("../../../etc"))];
    scene.repository.commit("leads-out", &outside).unwrap();
    let with_submodule = [("main.tf", Text(b"")), ("module", Submodule)];
    scene.repository.commit("submodule", &with_submodule).unwrap();
    let (origin, repository) = (scene.git.url(""), scene.repository.path().display().to_string());
    let url = |url: &str| ("repositoryUrl", json!(url));
    let (reference, path) =
        (|name| ("refName", json!(name)), |path| ("repositoryPath", json!(path)));
    let cases = [
        (vec![reference("nowhere")], "the repository has no branch, tag or commit `nowhere`"),
        (
            vec![reference("0123456789abcdef0123456789abcdef01234567")],
            "the repository has no commit",
        ),
        (vec![reference("--upload-pack=touch /tmp/pwned")], "it begins with `-`"),
        (vec![reference("-x")], "it begins with `-`"),
        (vec![reference("a..b")], "it is not the name of a branch"),
        (vec![reference("main:x")], "it has a character that no branch, tag or commit has"),
        (vec![reference("main^{tree}")], "it has a character that no branch, tag or commit has"),
        (vec![path("nowhere")], "there is no folder `nowhere` in this revision"),
        (vec![path("main.tf")], "`main.tf` is a file, not a folder"),
        (vec![path("../x")], "the path `../x` is no folder of a repository"),
        (vec![path("x/../../x")], "the path `x/../../x` is no folder of a repository"),
        (vec![reference("leads-out")], "`etc` is a link that leads out of the repository"),
        (vec![reference("leads-out"), path("etc")], "leads out of the repository"),
        (vec![reference("submodule"), path("module")], "`module` is a submodule"),
        (vec![url(&format!("{origin}nowhere.git"))], "The sources were not found"),
        (vec![url("--upload-pack=touch /tmp/pwned")], "it begins with `-`"),
        (vec![url("-x@host:path")], "it begins with `-`"),
        (vec![url("-oProxyCommand=touch${IFS}/tmp/pwned@host:path")], "it begins with `-`"),
        (vec![url("ssh://-oProxyCommand=x/path")], "host"),
        (vec![url("ext::sh -c touch% /tmp/pwned")], "it contains white space"),
        (vec![url("ext::sh")], "remote helpers such as `ext::` are never used"),
        (vec![url("ext://sh")], "`ext://` is not a transport that is used"),
        (vec![url(&format!("file://{repository}"))], "policy does not allow `file://`"),
        (vec![url(&format!("file:{repository}"))], "does not grant the repository `ssh://file/"),
        (vec![url(&repository)], "it is none of `https://"),
        (vec![url(&format!("{origin}../{repository}"))], "`..`"),
        (vec![url("https://user:hunter2@localhost/x")], "it contains a password"),
        (vec![url("https://not-granted.invalid:1/x")], "policy `terraform`"),
        (vec![url("")], "`repositoryUrl`"),
    ];
    let specs = cases.each_ref().map(|(fields, _)| {
        let fields = fields.iter().cloned();
        let terraform = fields.fold(scene.terraform(), |all, (name, value)| all.field(name, value));
        RunSpec::terraform(terraform)
    });
    let runs = all(&mut scene, specs).await;
    let wrong = cases.iter().zip(&runs).filter_map(|((fields, words), run)| {
        assert_failed_in(run, "sources", "");
        let told = run.told("sources");
        let is_told = told.contains(words) && told.len() < 2000;
        assert!(!crate::all_text(run).contains("hunter2"), "{run:#?}");
        (!is_told).then(|| format!("{fields:?}: no `{words}` in: {told}"))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!Path::new("/tmp/pwned").exists());
    let run = scene.execute(scene.spec()).await.unwrap();
    assert_eq!(which(&run), "main");
}

#[tokio::test]
async fn a_second_run_fetches_nothing() {
    let mut scene = scene(&telling("first")).await;
    assert_eq!(which(&scene.execute(scene.spec()).await.unwrap()), "first");
    let before = scene.git.fetches();
    assert!(before > 0);
    assert_eq!(which(&scene.execute(scene.spec()).await.unwrap()), "first");
    assert_eq!(scene.git.fetches(), before);
    // But it has looked: what is new is seen.
    scene.commit(&telling("second")).unwrap();
    assert_eq!(which(&scene.execute(scene.spec()).await.unwrap()), "second");
    assert!(scene.git.fetches() > before);
}

/// A scene whose policy also grants everything by https and ssh, and says how we say who we are.
pub(super) async fn elsewhere(stage: Stage, files: &[(&str, &str)]) -> Scene {
    let mut scene = Scene::set(Path::new(PROGRAM), &telling("main"), stage).await.unwrap();
    let policy = scene.directory().join("terraform.toml");
    let text = std::fs::read_to_string(&policy).unwrap();
    let text = text.replace("/*\"]\nmodules", "/*\", \"*\"]\nmodules");
    std::fs::write(&policy, text).unwrap();
    for (name, content) in files {
        std::fs::write(scene.directory().join(name), content).unwrap();
    }
    scene.begin().unwrap();
    scene
}

pub(super) fn of(scene: &Scene, url: &str) -> Terraform {
    scene.terraform().field("repositoryUrl", json!(url))
}

pub(super) fn repository() -> GitRepository {
    let repository = GitRepository::new().unwrap();
    let module = telling("elsewhere");
    let files: Vec<_> = module.files().map(|(path, bytes)| (path, Text(bytes))).collect();
    repository.commit("main", &files).unwrap();
    repository
}

fn host(server: &GitHttp) -> String {
    server.url("").replace("https://", "").replace('/', "")
}

#[tokio::test]
async fn an_authority_in_the_policy_is_for_its_server_and_no_other() {
    let (repository, authority) = (repository(), Authority::new().unwrap());
    let acceptor = || authority.server("localhost", false).unwrap();
    let trusted = GitHttp::start_tls(repository.root(), acceptor()).await.unwrap();
    let other = GitHttp::start_tls(repository.root(), acceptor()).await.unwrap();
    let host = host(&trusted);
    let policy =
        format!("[[terraform.git]]\nreason = 'x'\nhosts = ['{host}']\nca_file = 'ca.pem'\n");
    let stage = Stage { policy, ..Stage::default() };
    let mut scene = elsewhere(stage, &[("ca.pem", &*authority.pem())]).await;
    let specs = [&trusted, &other]
        .map(|server| RunSpec::terraform(of(&scene, &server.url("repository.git"))));
    let [trusted, other] = all(&mut scene, specs).await.try_into().unwrap();
    assert_eq!(which(&trusted), "elsewhere");
    assert_failed_in(&other, "sources", "certificate");
}

#[tokio::test]
async fn policy_has_tokens_and_client_certificates_for_https() {
    let (repository, authority) = (repository(), Authority::new().unwrap());
    let token = authority.server("localhost", false).unwrap();
    let token = GitHttp::start_tls(repository.root(), token).await.unwrap();
    token.only(&format!("Basic {}", base64(format!("robot:{TOKEN}").as_bytes())));
    let certificate = authority.server("localhost", true).unwrap();
    let certificate = GitHttp::start_tls(repository.root(), certificate).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let policy = format!(
        "[[terraform.git]]\nreason = \"x\"\nhosts = [\"{}\"]\nuser = \"robot\"\ntoken_file = \"token\"\n\
         [[terraform.git]]\nreason = \"x\"\nhosts = [\"{}\"]\n\
         client_certificate = {{ certificate_file = \"c.pem\", key_file = \"k.pem\" }}\n",
        host(&token),
        host(&certificate)
    );
    let configuration = format!("  sources: {{caFile: '{}'}}\n", ca.display());
    let stage = Stage { policy, configuration, ..Stage::default() };
    let (pem, key) = authority.client().unwrap();
    let files = [("token", TOKEN), ("c.pem", &*pem), ("k.pem", &*key)];
    let mut scene = elsewhere(stage, &files).await;
    for server in [&token, &certificate] {
        let script = "env; find ~ . \"$TMPDIR\" -type f -exec cat {} +";
        let spec = of(&scene, &server.url("repository.git")).pre_run_script(script);
        let run = scene.execute(RunSpec::terraform(spec)).await.unwrap();
        assert_eq!(which(&run), "elsewhere");
        assert!(!crate::all_text(&run).contains(TOKEN), "{run:#?}");
    }
    assert!(!scene.log().contains(TOKEN));
    std::fs::write(scene.directory().join("token"), "another").unwrap();
    let spec = RunSpec::terraform(of(&scene, &token.url("repository.git")));
    let run = scene.execute(spec).await.unwrap();
    assert_failed_in(&run, "sources", "could not be downloaded");
}

#[tokio::test]
async fn ssh_has_its_key_and_known_host_from_the_definition() {
    let (repository, server) = (repository(), GitSsh::start().unwrap());
    let (other_server, url) = (GitSsh::start().unwrap(), server.url(&repository.path()));
    let (host, kind, value) = server.known_host().unwrap();
    let stranger = other_server.known_host().unwrap().2;
    let key = server.private_key().unwrap();
    let mut scene = elsewhere(Stage::default(), &[]).await;
    let with_key = of(&scene, &url).ssh_private_key(key.trim_end());
    // Terraform may need the key for modules: it is there, and nowhere in the working directory.
    let script = "ls -A; echo \"command: $GIT_SSH_COMMAND\"; grep -rl 'OPENSSH PRIVATE KEY' . ~ || echo none here";
    let good = with_key.clone().known_host(&host, &kind, &value).pre_run_script(script);
    let bad = with_key.clone().known_host(&host, &kind, &stranger);
    let specs = [good, bad, with_key, of(&scene, &url).known_host(&host, &kind, &value)];
    let runs = all(&mut scene, specs.map(RunSpec::terraform)).await;
    let [good, bad, unknown, without_key] = runs.try_into().unwrap();
    assert_eq!(which(&good), "elsewhere");
    logged(&good, "pre_run_script", "none here");
    assert!(!good.log("pre_run_script").contains("command: \n"), "{good:#?}");
    assert_failed_in(&bad, "sources", "ost key");
    assert_failed_in(&unknown, "sources", "no host key is known for this server");
    assert_failed_in(&without_key, "sources", "denies access");
    let line = key.lines().nth(1).unwrap();
    assert!(![&good, &bad, &unknown].iter().any(|run| crate::all_text(run).contains(line)));
    assert!(!scene.log().contains(line));
}

/// Whether a file below this directory has this text in it.
fn is_in_a_file(directory: &Path, text: &str) -> bool {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| match path.symlink_metadata() {
        Ok(found) if found.is_dir() => is_in_a_file(&path, text),
        Ok(found) if found.is_file() => {
            let content = std::fs::read(&path).unwrap_or_default();
            content.windows(text.len()).any(|window| window == text.as_bytes())
        }
        _ => false,
    })
}

#[tokio::test]
async fn the_key_of_a_source_that_needs_none_is_nowhere() {
    let ssh = GitSsh::start().unwrap();
    let (host, kind, value) = ssh.known_host().unwrap();
    let key = ssh.private_key().unwrap();
    let line = key.lines().nth(1).unwrap();
    for is_ssh in [false, true] {
        let gate = LoopbackGate::new().await.unwrap();
        let module = Module::new().resource_at("one", &gate, &[]);
        let mut scene = elsewhere(Stage::default(), &[]).await;
        scene.commit(&module).unwrap();
        let url = ssh.url(&scene.repository.path());
        let url = if is_ssh { url } else { scene.git.url("repository.git") };
        let terraform = of(&scene, &url).reference("main").ssh_private_key(key.trim_end());
        let terraform = terraform.known_host(&host, &kind, &value);
        let script = "echo \"command: $GIT_SSH_COMMAND\"";
        let id = scene.emulator.enqueue(RunSpec::terraform(terraform.pre_run_script(script)));
        let reached = gate.reached(1, patience());
        scene.daemon().unwrap().until(reached).await.unwrap().unwrap();
        assert_eq!(is_in_a_file(&scene.state(), line), is_ssh, "while Terraform runs");
        gate.open();
        let run = scene.end_of(&id).await.unwrap();
        assert_ended(&run, RunState::Succeeded);
        assert_eq!(!run.log("pre_run_script").contains("command: \n"), is_ssh, "{run:#?}");
        assert!(!is_in_a_file(&scene.state(), line), "afterwards");
    }
}

#[tokio::test]
async fn host_keys_come_from_the_machine_or_are_not_checked_with_a_warning() {
    let (repository, server) = (repository(), GitSsh::start().unwrap());
    let url = server.url(&repository.path());
    let (host, kind, value) = server.known_host().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("known_hosts");
    std::fs::write(&file, format!("{host} {kind} {value}\n")).unwrap();
    let key = server.private_key().unwrap();
    let environment = vec![("SSH_KNOWN_HOSTS".to_owned(), file.display().to_string())];
    let insecure = "  sources: {insecureHostKeys: true}\n".to_owned();
    let stages = [
        (Stage { environment, ..Stage::default() }, false),
        (Stage { configuration: insecure, ..Stage::default() }, true),
    ];
    for (stage, is_warned) in stages {
        let mut scene = elsewhere(stage, &[]).await;
        let spec = RunSpec::terraform(of(&scene, &url).ssh_private_key(&*key));
        let run = scene.execute(spec).await.unwrap();
        assert_eq!(which(&run), "elsewhere");
        let is_said =
            run.log("sources").contains("warning: ") && run.log("sources").contains("not checked");
        assert_eq!(is_said, is_warned, "{run:#?}");
    }
}
