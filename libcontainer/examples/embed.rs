//! Runs a container from a bundle: `cargo run --example embed -- BUNDLE`.

#![allow(clippy::print_stdout)] // to show what happens

use libcontainer::{Container, Create, Result};

fn main() -> Result<()> {
    // Before anything else: containers must not get hold of this program's file.
    libcontainer::seal()?;
    let bundle = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let id = format!("embedded-{}", std::process::id());

    let root = std::env::temp_dir().join("oxrun-embed");
    let container = Create::new(&root, &id, bundle).create()?;
    println!("{} is {}", container.id(), container.state()?.status);

    container.start()?;
    let exit = container.wait()?;
    println!(
        "{} is {}, its program ended: {exit:?}",
        container.id(),
        container.state()?.status
    );

    for warning in container.delete(false)? {
        println!("warning: {warning}");
    }
    assert!(
        Container::load(&root, &id).is_err(),
        "nothing is left of it"
    );
    Ok(())
}
