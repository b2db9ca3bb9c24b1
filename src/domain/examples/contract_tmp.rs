fn main() { print!("{}", slipway_domain::code::contract()); }
