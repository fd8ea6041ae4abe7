//! Whether clients get through to the server at all. Main type: [`Reach`].

/// Whether clients get through. A switch, not a clock: it stays as it is until the test says otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reach {
    /// Everything is served.
    #[default]
    Reachable,
    /// Open connections are cut, new ones closed as soon as they are made. (They are not refused: the port has to stay
    /// the server's own, and an operating system refuses only where nobody listens.)
    Closed,
    /// Open connections are cut; new ones are made, and nothing ever answers.
    Silent,
}
