//! Templates of paths, as OpenAPI writes them. Literal parts are compared without regard to case, as Azure does.

/// A template such as `/subscriptions/{subscriptionId}/providers`.
#[derive(Clone, Debug)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    /// In lower case.
    Literal(String),
    /// One segment.
    One,
    /// One segment or more: `{name*}`, which OpenAPI does not know, but scopes and blobs need.
    Many,
}

impl Template {
    /// Reads a template.
    #[must_use]
    pub fn parse(path: &str) -> Self {
        let part = |text: &str| match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(name) if name.ends_with('*') => Part::Many,
            Some(_) => Part::One,
            None => Part::Literal(text.to_ascii_lowercase()),
        };
        Self { parts: path.split('/').skip(1).map(part).collect() }
    }

    /// Whether a path is of this template.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        fits(&self.parts, &segments)
    }

    /// The more of it is literal, the more it says.
    #[must_use]
    pub fn precision(&self) -> usize {
        self.parts.iter().filter(|part| matches!(part, Part::Literal(_))).count()
    }
}

fn fits(parts: &[Part], segments: &[&str]) -> bool {
    match (parts, segments) {
        ([], []) => true,
        ([Part::Literal(text), parts @ ..], [segment, segments @ ..]) => {
            segment.eq_ignore_ascii_case(text) && fits(parts, segments)
        }
        ([Part::One, parts @ ..], [segment, segments @ ..]) => !segment.is_empty() && fits(parts, segments),
        ([Part::Many, parts @ ..], segments) => (1..=segments.len()).any(|taken| fits(parts, &segments[taken..])),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::Template;

    #[test]
    fn paths_match_templates_whatever_their_case() {
        for (template, path, matches) in [
            ("/subscriptions/{s}/resourceGroups/{g}", "/subscriptions/1/resourcegroups/2", true),
            ("/subscriptions/{s}/resourceGroups/{g}", "/subscriptions/1/resourcegroups", false),
            ("/subscriptions/{s}/resourceGroups/{g}", "/subscriptions//resourcegroups/2", false),
            ("/subscriptions/{s}/resourceGroups/{g}", "/subscriptions/1/resourcegroups/2/", false),
            ("/{scope*}/providers/X/roleAssignments/{id}", "/a/b/providers/x/roleassignments/1", true),
            ("/{scope*}/providers/X/roleAssignments/{id}", "/providers/x/roleassignments/1", false),
            ("/blob/{account}/{container}/{blob*}", "/blob/a/c/d/e/f.csv", true),
            ("/blob/{account}/{container}/{blob*}", "/blob/a/c", false),
        ] {
            assert_eq!(Template::parse(template).matches(path), matches, "{template} {path}");
        }
    }
}
