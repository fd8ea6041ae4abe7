//! Names the document of its run very often in one request, so that few bytes become many: in the body, then in headers.

use guests::http::{DocumentForm, Header, HeaderValue, Part, Request, send};
use guests::misuse::request;

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("growing");
    let url = guests::text(&run, "url").unwrap_or_default();
    let forms = [DocumentForm::WITHOUT_IMPLEMENTATION, DocumentForm::BASE64];
    let parts = || forms.iter().cycle().take(2_000).map(|form| Part::RunDocument(*form));
    let body = Request { body: parts().collect(), ..request("POST", url) };
    guests::tell!(&step, "body: {:?}", send(&body).map(|response| response.status));
    let header = |part| Header { name: "x-run".to_owned(), value: HeaderValue::Parts(vec![part]) };
    let headers = Request { headers: parts().map(header).collect(), ..request("GET", url) };
    guests::tell!(&step, "headers: {:?}", send(&headers).map(|response| response.status));
    Ok(guests::Verdict::Succeeded)
}
