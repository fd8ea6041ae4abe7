//! What the three fakes have in common. Main type: [`Remote`].

use std::fmt::Debug;
use std::hash::Hash;

use hyper::Method;

use crate::call::{Answer, Call};

/// A service behind a [`crate::Fake`]. The three of this crate are all there are.
pub trait Remote: Send + Debug + 'static {
    /// Its endpoints.
    type Route: Copy + Debug + Eq + Hash + Send + Sync + 'static;

    /// What its thread is called.
    const NAME: &'static str;

    /// The endpoint of a request. The path has no query, and is as it was sent.
    fn route(&self, method: &Method, path: &str) -> Self::Route;

    /// Checks and processes a request. Refusals are `Err`, which makes checks short.
    ///
    /// # Errors
    /// The answer that turns the request down.
    fn answer(&mut self, call: &mut Call<'_, Self::Route>) -> Result<Answer, Answer>;
}
