//! The program itself, as a binary of this package.

fn main() -> std::process::ExitCode {
    blockhouse::cli::main()
}
