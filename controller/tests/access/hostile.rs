//! A machine that has joined, and does harm: it says what is not so, about what
//! is not its own, and too much of it. Another one works on a batch meanwhile.

mod floods;
mod honest;
mod lies;
mod wire;
