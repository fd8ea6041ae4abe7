//! Signing takes milliseconds of the host's, and costs accordingly.

use crate::trial::Trial;
use blockhouse_artifacts::SIGN_FOR_EVER;

#[tokio::test(flavor = "multi_thread")]
async fn signatures_use_up_the_fuel() {
    let policy = "[[secrets.use]]\nreason = 'x'\nkeys = ['*']\nin = ['jwt']\nhosts = ['*']\n";
    let key = include_str!("../../fixtures/sealed/TEST-ONLY-runner-pkcs8.pem");
    // What is no key costs as well.
    for key in [key, "no key"] {
        let ended = Trial::of(SIGN_FOR_EVER).policy(policy).secret("key", key).run().await;
        ended.stopped_by(
            "limit.cpu",
            "computing budget exceeded: 100 of 100 million instructions used",
        );
    }
}
