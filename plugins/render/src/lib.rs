//! Renders Markdown and text templates: a plugin around libraries that know nothing of Muster.
//!
//! It computes and does nothing else: no store, no settings, no network, so an operator has nothing to grant. Each
//! command has a module; both treat their input as hostile.

mod markdown;
mod template;

use muster_sdk::plugin;

plugin!(markdown::render_markdown, template::render_template);
