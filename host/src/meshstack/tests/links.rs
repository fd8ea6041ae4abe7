use super::*;
use crate::meshstack::{BuildError, CallErrorKind, LinkError};

/// Registers and updates by these links; the paths that the server saw.
async fn called(server: &Server, claim: &Claim) -> Vec<String> {
    let run = client(server, basic()).run_client(claim).unwrap();
    let before = server.seen().len();
    run.register(&[]).await.unwrap();
    run.update(&runs::update()).await.unwrap();
    server.seen()[before..].iter().map(|seen| seen.target.clone()).collect()
}

async fn fine() -> Server {
    Server::start(|_| Reply::json(200, "{}")).await
}

fn standard() -> [String; 2] {
    [SOURCE_PATH.to_owned(), format!("{SOURCE_PATH}/{RUNNER}")]
}

#[tokio::test]
async fn links_on_our_own_origin_are_followed() {
    let server = fine().await;
    let base = server.url.as_str();
    let links = serde_json::json!({
        "registerSource": { "href": format!("{base}other/register?x=1") },
        "updateSource": { "href": format!("{base}other/{{sourceId}}/update"), "templated": true },
    });
    let paths = called(&server, &claim(Some(RUN_TOKEN), &links)).await;
    assert_eq!(paths, ["/other/register?x=1".to_owned(), format!("/other/{RUNNER}/update")]);
    let links = serde_json::json!({
        "registerSource": { "href": "/relative/register" },
        "updateSource": { "href": "/relative/{sourceId}" },
    });
    let paths = called(&server, &claim(Some(RUN_TOKEN), &links)).await;
    assert_eq!(paths, ["/relative/register".to_owned(), format!("/relative/{RUNNER}")]);
}

#[tokio::test]
async fn missing_and_unusable_links_fall_back_to_the_standard_paths() {
    let server = fine().await;
    let base = server.url.as_str();
    for links in [
        serde_json::json!(null),
        serde_json::json!("nonsense"),
        serde_json::json!({}),
        serde_json::json!({ "registerSource": 7, "updateSource": { "href": ["x"] } }),
        serde_json::json!({ "registerSource": null, "updateSource": { "href": null } }),
        serde_json::json!({ "registerSource": { "href": "ftp://127.0.0.1/x" },
            "updateSource": { "href": format!("{base}no-template") } }),
        serde_json::json!({ "registerSource": { "href": base.replace("//", "//user:pw@") },
            "updateSource": { "href": format!("{base}{{sourceId}}{{?other}}") } }),
        serde_json::json!({ "registerSource": { "href": "http://" },
            "updateSource": { "href": "data:{sourceId}" } }),
    ] {
        assert_eq!(called(&server, &claim(None, &links)).await, standard(), "{links}");
    }
}

#[tokio::test]
async fn tokens_are_never_sent_to_a_foreign_origin() {
    let (server, foreign) = (fine().await, fine().await);
    let far = foreign.url.as_str();
    let port = foreign.url.port().unwrap();
    for far in [
        far.to_owned(),
        format!("//127.0.0.1:{port}/"),
        format!("http:\\\\127.0.0.1:{port}\\"),
        format!("http://localhost:{port}/"),
        format!("https://127.0.0.1:{}/", server.url.port().unwrap()),
        format!("http://127.0.0.1:{}@127.0.0.1:{port}/", server.url.port().unwrap()),
    ] {
        let links = serde_json::json!({
            "self": { "href": format!("{far}self") },
            "meshstackBaseUrl": { "href": far },
            "registerSource": { "href": format!("{far}register") },
            "updateSource": { "href": format!("{far}{{sourceId}}") },
            "planArtifact": { "href": format!("{far}plan") },
        });
        for token in [Some(RUN_TOKEN), None] {
            let claim = claim(token, &links);
            assert_eq!(called(&server, &claim).await, standard(), "{far}");
            let run = client(&server, basic()).run_client(&claim).unwrap();
            let error = run.download_plan(1000).await.unwrap_err();
            assert!(matches!(error.kind, CallErrorKind::Link(_)), "{error:?}");
        }
    }
    assert!(foreign.seen().is_empty());
}

#[tokio::test]
async fn a_plan_elsewhere_is_looked_for_under_our_own_base() {
    let server = Server::start(|_| Reply::json(200, "plan")).await;
    let links = serde_json::json!({
        "planArtifact": { "href": "https://outer.example:8443/gateway/api/plans/7?part=1#x" }
    });
    let mut config = config(&server.url, basic());
    config.base_url.set_path("/mesh/");
    let run = Client::new(config).unwrap().run_client(&claim(Some(RUN_TOKEN), &links)).unwrap();
    assert_eq!(&run.download_plan(1000).await.unwrap()[..], b"plan");
    let seen = &server.seen()[0];
    assert_eq!(seen.target, "/mesh/api/plans/7?part=1");
    assert_eq!(seen.header("authorization"), Some("Bearer eyJ-run-token"));
}

#[tokio::test]
async fn a_broken_plan_link_is_an_error_and_not_no_plan() {
    let server = fine().await;
    for link in [
        serde_json::json!(7),
        serde_json::json!({}),
        serde_json::json!({ "href": null }),
        serde_json::json!({ "href": "ftp://127.0.0.1/x" }),
    ] {
        let claim = claim(Some(RUN_TOKEN), &serde_json::json!({ "planArtifact": link }));
        assert!(claim.has_plan(), "{link}");
        let run = client(&server, basic()).run_client(&claim).unwrap();
        let error = run.download_plan(1000).await.unwrap_err();
        assert!(
            matches!(error.kind, CallErrorKind::Link(LinkError::Unreadable { .. })),
            "{error:?}"
        );
    }
    let claim = claim(Some(RUN_TOKEN), &serde_json::json!({ "planArtifact": null }));
    assert!(!claim.has_plan());
    let run = client(&server, basic()).run_client(&claim).unwrap();
    let error = run.download_plan(1000).await.unwrap_err();
    assert!(matches!(error.kind, CallErrorKind::Link(LinkError::Missing { .. })), "{error:?}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_base_with_a_path_keeps_it() {
    let server = fine().await;
    let mut config = config(&server.url, basic());
    config.base_url.set_path("/mesh/");
    let client = Client::new(config).unwrap();
    let run = client.run_client(&claim(None, &serde_json::json!({}))).unwrap();
    run.register(&[]).await.unwrap();
    assert_eq!(server.seen()[0].target, format!("/mesh{SOURCE_PATH}"));
}

#[tokio::test]
async fn a_run_alone_is_reported_to_its_own_origin() {
    let (server, foreign) = (fine().await, fine().await);
    let this = server.url.join("/mesh/api/meshobjects/meshbuildingblockruns/x?y#z").unwrap();
    let base = server.url.join("/mesh").unwrap();
    for (links, prefix) in [
        (serde_json::json!({ "self": { "href": this } }), ""),
        (serde_json::json!({ "meshstackBaseUrl": { "href": base } }), "/mesh"),
        (
            serde_json::json!({ "self": { "href": this }, "meshstackBaseUrl": { "href": base } }),
            "/mesh",
        ),
        (
            serde_json::json!({ "self": { "href": this }, "meshstackBaseUrl": { "href": foreign.url } }),
            "",
        ),
    ] {
        let claim = claim(Some(RUN_TOKEN), &links);
        let run = RunClient::from_claim_alone(&http(), &runner(), None, &claim).unwrap();
        run.register(&[]).await.unwrap();
        let seen = server.seen().pop().unwrap();
        assert_eq!(seen.target, format!("{prefix}{SOURCE_PATH}"), "{links}");
        assert_eq!(seen.header("authorization"), Some("Bearer eyJ-run-token"));
    }
    assert!(foreign.seen().is_empty());
}

#[test]
fn a_run_alone_needs_a_token_and_a_place_to_report_to() {
    let alone = |claim: &Claim| match RunClient::from_claim_alone(&http(), &runner(), None, claim) {
        Err(BuildError::Link(error)) => error,
        other => panic!("{other:?}"),
    };
    let here = serde_json::json!({ "self": { "href": "http://127.0.0.1/x" } });
    assert_eq!(alone(&claim(None, &here)), LinkError::NoRunToken);
    assert_eq!(alone(&claim(Some("a b"), &here)), LinkError::RunToken);
    let nowhere = claim(Some(RUN_TOKEN), &serde_json::json!({}));
    assert_eq!(alone(&nowhere), LinkError::Missing { link: "self" });
    let odd = claim(Some(RUN_TOKEN), &serde_json::json!({ "self": { "href": "file:///x" } }));
    assert_eq!(alone(&odd), LinkError::Unreadable { link: "self" });
}

#[test]
fn base_urls_that_say_more_than_a_place_are_refused() {
    for url in [
        "ftp://host/",
        "file:///x",
        "data:x",
        "https://user@host/",
        "https://user:pw@host/",
        "https://host/?x",
        "https://host/#x",
    ] {
        let result = Client::new(config(&Url::parse(url).unwrap(), basic()));
        assert!(matches!(result, Err(BuildError::BaseUrl)), "{url}");
    }
}
