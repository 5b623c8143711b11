//! A tree of lines, as `tree` draws folders.

/// A line, and the lines below it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Tree {
    line: String,
    children: Vec<Tree>,
}

impl Tree {
    /// A line with nothing below it.
    pub(super) fn leaf(line: impl Into<String>) -> Self {
        Self { line: line.into(), children: Vec::new() }
    }

    /// A name and a value.
    pub(super) fn fact(name: &str, value: impl std::fmt::Display) -> Self {
        Self::leaf(format!("{name}: {value}"))
    }

    /// The same tree with another one below its first line.
    pub(super) fn with(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    /// The same tree with others below its first line.
    pub(super) fn with_all(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }

    /// The lines of the tree.
    pub(super) fn render(&self) -> String {
        let mut text = format!("{}\n", self.line);
        self.draw("", &mut text);
        text
    }

    fn draw(&self, indent: &str, text: &mut String) {
        for (number, child) in self.children.iter().enumerate() {
            let is_last = number + 1 == self.children.len();
            let (branch, below) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            text.extend([indent, branch, &child.line, "\n"]);
            child.draw(&format!("{indent}{below}"), text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_branches_at_every_depth() {
        let tree = Tree::leaf("a")
            .with(Tree::leaf("b").with(Tree::leaf("c").with(Tree::leaf("d"))))
            .with_all([Tree::fact("e", 1), Tree::leaf("f").with(Tree::leaf("g"))]);
        let expected = "a\n├─ b\n│  └─ c\n│     └─ d\n├─ e: 1\n└─ f\n   └─ g\n";
        assert_eq!(tree.render(), expected);
        assert_eq!(Tree::leaf("alone").render(), "alone\n");
    }
}
