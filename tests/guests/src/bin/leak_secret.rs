//! Writes a secret that it was shown into everything that is read by people, in every usual encoding, whole and in pieces.

use guests::{Failure, OutputType, OutputValue, Secret, Step, StepDeclaration};
use std::fmt::Write as _;

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let shown = guests::first_secret(&run).map(Secret::reveal);
    let Some(Ok(secret)) = shown else { return Ok(guests::Verdict::Succeeded) };
    let text = format!("leak {secret} end");
    guests::declare(&[StepDeclaration { id: "leaking".to_owned(), display_name: text.clone() }]);
    // Before anything else, so that it is the step that runs.
    let step = Step::new("leaking", "");
    let _ = step.start();
    guests::summarize(&text);
    let told = Step::new("told", "Told");
    let veiled = format!("leak {} end", veiled(&secret));
    let _ = (told.start(), told.tell(&veiled), told.succeed());
    log(&step, &secret);
    write(&secret);
    output(&step, &text, &secret);
    let _ = Step::new(&format!("step-{}", secret.trim()), &text).start();
    let failed = Step::new("failed", "Failed");
    let _ = failed.start();
    let _ = failed.fail(&text);
    // So long that the limits cut within the secret.
    let message = format!("{}{text}", "m".repeat(1024 - 12));
    let detail = format!("{}{text}", "d".repeat(8 * 1024 - 12));
    Err(Failure { message, detail: Some(detail) })
}

fn log(step: &Step, secret: &str) {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut percent = String::new();
    for byte in secret.bytes() {
        let _ = match char::from(byte) {
            plain if plain.is_ascii_alphanumeric() => percent.write_char(plain),
            _ => write!(percent, "%{byte:02X}"),
        };
    }
    for form in [secret, &hex, &hex.to_uppercase(), &percent, &format!("{secret:?}")] {
        let _ = step.log(&format!("form {form} end"));
    }
    for offset in 0..3 {
        let padded = ["..".get(..offset).unwrap_or_default(), secret].concat();
        let _ = step.log(&format!("base64 {} end", base64(padded.as_bytes())));
    }
    // A character at a time, each of which becomes a line.
    for character in secret.chars() {
        let _ = step.log(&character.to_string());
    }
    let _ = step.log(&veiled(secret));
}

/// With what is not shown in between.
fn veiled(secret: &str) -> String {
    secret.chars().flat_map(|c| ['\x1b', c, '\u{202e}']).collect()
}

fn write(secret: &str) {
    let stdout = wasip2::cli::stdout::get_stdout();
    for byte in secret.bytes() {
        let _ = stdout.write(&[byte]);
    }
    let _ = stdout.write(b" and ");
    let _ = wasip2::cli::stderr::get_stderr().write(secret.as_bytes());
}

fn output(step: &Step, text: &str, secret: &str) {
    let value = OutputValue::Text(text.to_owned());
    let _ = step.output("text", OutputType::String, &value, false);
    let _ = step.output("code", OutputType::Code, &value, false);
    let _ = step.output(secret, OutputType::String, &value, false);
    let _ = step.output("hidden", OutputType::String, &value, true);
    let escaped: String = secret.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    let json = OutputValue::Json(format!(r#"{{"{escaped}": ["{escaped}", 1]}}"#));
    let _ = step.output("json", OutputType::Code, &json, false);
}

/// Without padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |at: usize| bytes.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1);
    let sextets = (0..(bytes.len() * 8).div_ceil(6))
        .map(|index| (0..6).fold(0, |value, at| value << 1 | usize::from(bit(index * 6 + at))));
    sextets.filter_map(|sextet| ALPHABET.get(sextet)).map(|byte| char::from(*byte)).collect()
}
