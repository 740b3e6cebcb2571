//! The tokens of Rust source, for rules about code: comments, tests and spaces are none of it, and a literal is one token.

use std::str::FromStr;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// One token. A group is its two signs with what is between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A keyword or a name.
    Word(String),
    /// A bracket or an operator, a character each.
    Sign(char),
    /// As it is written.
    Literal(String),
}

/// The tokens of a file before its tests, without attributes and comments.
///
/// # Panics
/// If it is no Rust.
#[must_use]
pub fn tokens(source: &str) -> Vec<Token> {
    let before_tests = source.split("\n#[cfg(test)]").next().unwrap_or_default();
    let stream = TokenStream::from_str(before_tests).unwrap_or_else(|e| panic!("{e} in {before_tests}"));
    let mut found = Vec::new();
    collect(stream, &mut found);
    found
}

fn collect(stream: TokenStream, found: &mut Vec<Token>) {
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Punct(sign) if sign.as_char() == '#' => {
                let _ = trees.next_if(|next| matches!(next, TokenTree::Punct(sign) if sign.as_char() == '!'));
                // The group of the attribute.
                trees.next();
            }
            TokenTree::Punct(sign) => found.push(Token::Sign(sign.as_char())),
            TokenTree::Ident(word) => found.push(Token::Word(word.to_string())),
            TokenTree::Literal(literal) => found.push(Token::Literal(literal.to_string())),
            TokenTree::Group(group) => {
                let (open, close) = brackets(&group);
                found.extend(open.map(Token::Sign));
                collect(group.stream(), found);
                found.extend(close.map(Token::Sign));
            }
        }
    }
}

fn brackets(group: &Group) -> (Option<char>, Option<char>) {
    match group.delimiter() {
        Delimiter::Parenthesis => (Some('('), Some(')')),
        Delimiter::Brace => (Some('{'), Some('}')),
        Delimiter::Bracket => (Some('['), Some(']')),
        Delimiter::None => (None, None),
    }
}

impl Token {
    /// Whether it is this word.
    #[must_use]
    pub fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Word(found) if found == word)
    }

    /// The number of an integer.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        let Self::Literal(literal) = self else { return None };
        let digits = literal.replace('_', "").to_ascii_lowercase();
        let (digits, radix) = match digits.split_at_checked(2) {
            Some(("0x", rest)) => (rest.to_owned(), 16),
            Some(("0o", rest)) => (rest.to_owned(), 8),
            Some(("0b", rest)) => (rest.to_owned(), 2),
            _ => (digits, 10),
        };
        // The type of a hexadecimal number begins with no digit of it, either.
        let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        u64::from_str_radix(&digits[..end], radix).ok()
    }

    /// What stands between the quotes of a text, a byte string or a character, with its escapes.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        let Self::Literal(literal) = self else { return None };
        let quote = literal.find(['"', '\''])?;
        let end = literal.rfind(['"', '\''])?;
        literal.get(quote + 1..end)
    }
}
