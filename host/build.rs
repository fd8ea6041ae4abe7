//! Builds the components that are part of the program.

use blockhouse_guest_build::{Error, build, depend_on, workspace};

/// Each becomes an environment variable `<NAME>_COMPONENT` with the path of the component; see `src/embedded.rs`.
const EMBEDDED: &[&str] =
    &["azure-devops", "github-workflow", "gitlab-cicd", "manual", "terraform"];

fn main() -> Result<(), Error> {
    let built = build(EMBEDDED)?;
    let examples = workspace()?.join("guest-examples");
    // What some of them are built with.
    depend_on(&examples.join("sdk"));
    for name in EMBEDDED {
        depend_on(&examples.join(name));
        let component = built.cdylib(name)?;
        let variable = name.to_uppercase().replace('-', "_");
        println!("cargo::rustc-env={variable}_COMPONENT={}", component.display());
    }
    Ok(())
}
