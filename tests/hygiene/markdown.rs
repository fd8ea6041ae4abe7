//! A look at Markdown that is good enough to find links, headings and code spans.

/// A document without its code blocks.
#[derive(Debug)]
pub(crate) struct Markdown<'a> {
    /// Lines from 1, those of code blocks left out.
    lines: Vec<(usize, &'a str)>,
}

impl<'a> Markdown<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let mut is_code = false;
        let lines = text.lines().enumerate().filter(|(_, line)| {
            let is_fence = line.trim_start().starts_with("```");
            is_code ^= is_fence;
            !is_code && !is_fence
        });
        Self { lines: lines.map(|(index, line)| (index + 1, line)).collect() }
    }

    /// Line and target of each `[text](target)`.
    pub(crate) fn links(&self) -> impl Iterator<Item = (usize, &'a str)> {
        self.lines.iter().flat_map(|(line, text)| {
            let targets = text.split("](").skip(1);
            targets.filter_map(move |rest| Some((*line, rest.split_once(')')?.0)))
        })
    }

    /// Line and text of each code span.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (usize, &'a str)> {
        self.lines.iter().flat_map(|(line, text)| {
            let count = text.matches('`').count();
            text.split('`')
                .take(count - count % 2 + 1)
                .skip(1)
                .step_by(2)
                .map(move |span| (*line, span))
        })
    }

    /// The anchors that GitHub makes of the headings.
    pub(crate) fn anchors(&self) -> impl Iterator<Item = String> {
        let headings = self.lines.iter().filter_map(|(_, line)| line.strip_prefix('#'));
        headings.map(|heading| {
            let heading = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Markdown;

    #[test]
    fn links_spans_and_anchors_are_found() {
        let text = "# Of `a` & b\n[x](y.md#z) and [u](v)\n```\n[no](no) `no`\n```\n`c` d `e";
        let markdown = Markdown::new(text);
        assert_eq!(markdown.links().collect::<Vec<_>>(), [(2, "y.md#z"), (2, "v")]);
        assert_eq!(markdown.spans().collect::<Vec<_>>(), [(1, "a"), (6, "c")]);
        assert_eq!(markdown.anchors().collect::<Vec<_>>(), ["of-a--b"]);
    }
}
