//! Does what its inputs say, in the order of their keys, and writes down whatever it is told. All of that must be the same when the run is
//! resumed.

use guests::http::{send, send_repeatable};
use guests::misuse::request;
use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::Fields;
use wasip2::random::{insecure_seed, random};

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("acting");
    let began = Instant::now();
    let mut seen = String::new();
    for (key, text) in guests::texts(&run) {
        let what = key.split_once(' ').map_or(key, |(_, what)| what);
        let _ = write!(seen, "{what} {}; ", act(what, text, began));
    }
    guests::tell!(&step, "{seen}");
    let seen = guests::OutputValue::Text(seen);
    let told = step.output("seen", guests::OutputType::String, &seen, false);
    guests::tell!(&step, "output: {told:?}");
    Ok(guests::Verdict::Succeeded)
}

#[expect(clippy::disallowed_methods, reason = "it waits by WASI's clock, and blocks nobody")]
fn act(what: &str, text: &str, began: Instant) -> String {
    match what {
        "aborted" => guests::aborted().to_string(),
        "clocks" => {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            format!("{:?} {:?}", began.elapsed(), now.unwrap_or_default())
        }
        "file" => {
            // A second time in the same directory would be told.
            let made = std::fs::File::options().write(true).create_new(true).open(text);
            made.is_ok().to_string()
        }
        "numbers" => format!("{} {:?}", random::get_random_u64(), insecure_seed::insecure_seed()),
        "pause" => guests::pause(text.parse().unwrap_or(0)).to_string(),
        "sleep" => {
            std::thread::sleep(Duration::from_millis(text.parse().unwrap_or(0)));
            String::new()
        }
        "step" => {
            // Never ended: the run's end ends it.
            let _ = guests::started(text);
            String::new()
        }
        "wasi" => format!("{:?}", by_wasi(text)),
        _ => {
            let (repeats, method) = match what.strip_suffix('*') {
                Some(method) => (true, method),
                None => (false, what),
            };
            let request = request(method, text);
            let sent = if repeats { send_repeatable(&request) } else { send(&request) };
            match sent {
                Ok(response) => String::from_utf8_lossy(&response.body).into_owned(),
                Err(error) => format!("{error:?}"),
            }
        }
    }
}

fn by_wasi(authority: &str) -> Result<u16, String> {
    let request = guests::wasi_http::request(authority, Some("/wasi"), Fields::new());
    let response = handle(request, None).map_err(|code| code.to_string())?;
    let response = guests::wasi_http::wait(&response).map_err(|code| code.to_string())?;
    Ok(response.status())
}
