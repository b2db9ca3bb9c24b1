//! Who may say what, asked of three: the domain, the policies' own expressions, and the API server they are installed on.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a step that fails is a test that fails; how many cases there were is for whoever runs it"
)]

mod admission {
    mod case;
    mod deed;
    mod domain;
    mod expression;
    mod matrix;
    mod people;
    mod place;
    mod server;
    mod situation;
}
