//! What all pages have around their content.

use maud::{DOCTYPE, Markup, html};

use super::Base;
use super::text::Text;

/// Which entry of the menu a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Screen {
    Health,
    Live,
    Record,
    None,
}

const MENU: [(Screen, &str, &str); 3] = [
    (Screen::Health, "", "Health"),
    (Screen::Live, "/live", "Live"),
    (Screen::Record, "/record", "Record"),
];

/// A page that lacks its content.
pub(super) struct Layout<'p> {
    pub base: &'p Base,
    pub screen: Screen,
    pub title: &'p str,
}

impl Layout<'_> {
    pub(super) fn around(&self, content: &Markup) -> Markup {
        let Self { base, screen, title } = self;
        html! {
            (DOCTYPE)
            html lang="en" data-base=(base.route("")) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) " · Laterbase" }
                    link rel="icon" href=(base.to("/icon.svg")) type="image/svg+xml";
                    link rel="stylesheet" href=(base.to("/style.css"));
                    script src=(base.to("/script.js")) defer {}
                }
                body {
                    a.skip href="#main" { "Skip to the content" }
                    header.top {
                        a.brand href=(base.to("")) {
                            img src=(base.to("/icon.svg")) alt="" width="24" height="24";
                            "Laterbase"
                        }
                        nav aria-label="Screens" {
                            ul {
                                @for (entry, path, name) in MENU {
                                    li {
                                        a href=(base.to(path))
                                            aria-current=[(entry == *screen).then_some("page")] {
                                            (name)
                                        }
                                    }
                                }
                            }
                        }
                    }
                    main #main tabindex="-1" {
                        h1 { (Text(title)) }
                        (content)
                    }
                }
            }
        }
    }
}
