//! Pages of documentation, and the statements in them.

/// A fenced block.
#[derive(Debug, PartialEq)]
pub struct Block {
    /// What stands behind the fence.
    pub language: String,
    /// What is in it.
    pub text: String,
    /// The line of the page on which it begins.
    pub line: usize,
    /// Whether nothing but blank lines stands between it and the block before.
    pub follows: bool,
}

/// The fenced blocks of a page, in order.
pub fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    let mut follows = false;
    for (number, line) in (1..).zip(markdown.lines()) {
        match (line.strip_prefix("```"), open) {
            (Some(_), true) => (open, follows) = (false, true),
            (Some(language), false) => {
                open = true;
                blocks.push(Block {
                    language: language.trim().to_owned(),
                    text: String::new(),
                    line: number,
                    follows,
                });
            }
            (None, true) => {
                let block = blocks.last_mut().expect("a block is open");
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, false) => follows &= line.trim().is_empty(),
        }
    }
    assert!(!open, "a block is not closed");
    blocks
}
