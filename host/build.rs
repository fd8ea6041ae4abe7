//! Builds the components that are part of the program.

use blockhouse_guest_build::{Error, build, depend_on, workspace};

/// Each becomes an environment variable `<NAME>_COMPONENT` with the path of the component; see `src/embedded.rs`.
const EMBEDDED: &[&str] = &["manual", "terraform"];

fn main() -> Result<(), Error> {
    let built = build(EMBEDDED)?;
    let examples = workspace()?.join("guest-examples");
    for name in EMBEDDED {
        depend_on(&examples.join(name));
        let component = built.cdylib(name)?;
        println!("cargo::rustc-env={}_COMPONENT={}", name.to_uppercase(), component.display());
    }
    Ok(())
}
