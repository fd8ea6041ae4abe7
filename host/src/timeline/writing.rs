//! What is written into logs, piece by piece: whoever holds the timeline's lock gives it back between two of them.

use super::log::Decoder;
use super::{StepError, StepIndex, StepStatus, Timeline};
use crate::outcome::{LimitHit, LimitName};

impl Timeline {
    /// Begins a text of so many bytes on a line of its own in the step's log.
    ///
    /// # Errors
    /// [`StepError`] if it is not running or the run has written too much.
    pub fn begin_lines(&mut self, index: StepIndex, bytes: usize) -> Result<(), StepError> {
        self.charge_log(bytes)?;
        // An index comes from `declare` of the same timeline, and steps are never removed.
        let Some(step) = self.steps.get_mut(index.0) else { return Err(StepError::NotStarted) };
        step.must_run()?;
        // A change to be told comes with the first piece.
        step.log.begin_line();
        Ok(())
    }

    /// Appends the next piece of the text; the last one ends its line.
    ///
    /// # Errors
    /// [`StepError`] if there is no such step.
    pub fn continue_lines(
        &mut self,
        index: StepIndex,
        piece: &str,
        is_last: bool,
    ) -> Result<(), StepError> {
        self.change(index, |step| {
            step.log.push(piece);
            if is_last {
                step.log.begin_line();
            }
            Ok(())
        })
    }

    /// Announces so many bytes that the component wrote to its standard streams.
    ///
    /// # Errors
    /// The limit on log output, if it is exceeded.
    pub fn begin_write(&mut self, bytes: usize) -> Result<(), LimitHit> {
        self.charge_log(bytes)
    }

    /// Appends a piece of those to the log of the step that is running; without one, of the last.
    pub fn write(&mut self, piece: &[u8]) {
        let text = self.streams.decode(piece);
        self.write_text(&text);
    }

    /// Shows what is left of a character whose end never came.
    pub(super) fn finish_streams(&mut self) {
        let rest = Decoder::finish(&mut self.streams);
        self.write_text(rest);
    }

    fn write_text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let running = self.steps.iter().position(|step| step.status == StepStatus::InProgress);
        if let Some(step) = match running {
            Some(index) => self.steps.get_mut(index),
            None => self.steps.last_mut(),
        } {
            step.log.push(text);
            self.revision += 1;
            step.revision = self.revision;
        }
    }

    fn charge_log(&mut self, bytes: usize) -> Result<(), LimitHit> {
        let allowed = self.limits.log_total_bytes;
        self.log_written =
            self.log_written.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.log_written > allowed {
            return Err(LimitHit { limit: LimitName::Log, used: self.log_written, allowed });
        }
        Ok(())
    }
}
