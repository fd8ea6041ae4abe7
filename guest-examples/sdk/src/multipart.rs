//! `multipart/form-data` with secrets in it: [`Form`].

use crate::fields::Entered;
use crate::host::Host;
use crate::http::{Document, Part};

/// A form in pieces, so that the host can put secrets in.
#[derive(Debug)]
pub struct Form<'a, S> {
    /// What separates the fields. Nobody can guess it, so that no value has it inside.
    boundary: String,
    parts: Vec<Part<'a, S>>,
}

impl<'a, S> Form<'a, S> {
    /// An empty form.
    pub fn new<H: Host>(host: &H) -> Self {
        let boundary = format!("blockhouse-{:016x}{:016x}", host.random(), host.random());
        Self { boundary, parts: Vec::new() }
    }

    /// A field, sensitive or not.
    #[must_use]
    pub fn entered(self, name: &str, value: Entered<'a, S>) -> Self {
        match value.text() {
            Ok(text) => self.field(name, Part::Text(text.into_owned())),
            Err(secret) => self.field(name, Part::Secret(secret)),
        }
    }

    /// A field with the document of the run.
    #[must_use]
    pub fn document(self, name: &str, document: Document) -> Self {
        self.field(name, Part::RunDocument(document))
    }

    /// The content type, and the pieces of the body.
    pub fn finish(mut self) -> (String, Vec<Part<'a, S>>) {
        self.parts.push(Part::Text(format!("--{}--\r\n", self.boundary)));
        (format!("multipart/form-data; boundary={}", self.boundary), self.parts)
    }

    fn field(mut self, name: &str, value: Part<'a, S>) -> Self {
        let head = format!(
            "--{}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n",
            self.boundary,
            escaped(name)
        );
        self.parts.extend([Part::Text(head), value, Part::Text("\r\n".to_owned())]);
        self
    }
}

/// A name in quotes, as browsers write it: nothing in it ends the quotes or the line.
fn escaped(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::Script;

    #[test]
    fn each_field_has_its_part() {
        let host = Script::silent();
        let form = Form::new(&host)
            .entered("token", Entered::Secret(&1))
            .entered("variables[A]", Entered::Json("1.50"))
            .document("variables[RUN]", Document::default());
        let (content_type, parts) = form.finish();
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        assert!(boundary.len() >= 32);
        let shown: String = parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.clone(),
                other => format!("{other:?}"),
            })
            .collect();
        let field = |name: &str, value: &str| {
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            )
        };
        let document = format!("{:?}", Part::<u8>::RunDocument(Document::default()));
        let expected = [
            field("token", "Secret(1)"),
            field("variables[A]", "1.50"),
            field("variables[RUN]", &document),
            format!("--{boundary}--\r\n"),
        ];
        assert_eq!(shown, expected.concat());
    }

    #[test]
    fn a_name_can_not_add_fields() {
        let name = escaped("a\"\r\n\r\nx\r\n--b");
        assert_eq!(name, "a%22%0D%0A%0D%0Ax%0D%0A--b");
    }

    #[test]
    fn no_two_forms_have_the_same_boundary() {
        let host = Script::silent();
        let boundary = || Form::<u8>::new(&host).finish().0;
        assert_ne!(boundary(), boundary());
    }
}
