//! The `blockhouse` program; see [`blockhouse::cli`].

fn main() -> std::process::ExitCode {
    blockhouse::cli::main()
}
