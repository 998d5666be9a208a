//! One rule, with the meaning that git gives to a line of a `.gitignore`, down to its oddities: names are bytes, `*` and `?`
//! stop at `/`, `**` does not where it stands for whole names, braces and commas are plain characters, and what is no
//! pattern (a bracket that is not closed, a lone backslash at the end) matches nothing.
//!
//! Law: matching takes no more steps than the pattern is long for each byte of the path, whatever the pattern is.

use std::ops::RangeInclusive;

/// A longer rule is none, in bytes.
const PATTERN_LEN_MAX: usize = 4096;

/// What is asked about: a path from the root of the folder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    /// The whole path, with `/` between the names.
    pub(super) path: &'a [u8],
    /// Its last name.
    pub(super) name: &'a [u8],
    /// Whether it is a directory.
    pub(super) is_dir: bool,
}

/// See the module's page.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// It lets in what a rule before it leaves out.
    pub(super) lets_in: bool,
    is_of_dirs: bool,
    /// It is about whole paths, and not about names wherever they are.
    pub(super) is_anchored: bool,
    /// The subject begins with this.
    prefix: Vec<u8>,
    rest: Rest,
}

/// What follows the plain beginning.
#[derive(Debug, Clone)]
enum Rest {
    /// Nothing.
    End,
    /// Anything within one name, and then this.
    AnyThen(Vec<u8>),
    /// As these say.
    Tokens(Vec<Token>),
}

#[derive(Debug, Clone)]
enum Token {
    /// This byte.
    Byte(u8),
    /// Any byte but `/`.
    Any,
    /// One of the bytes in these ranges, or none of them, and never `/`.
    Class(Vec<RangeInclusive<u8>>, bool),
    /// Any bytes but `/`.
    Star,
    /// The two that follow may stand for nothing.
    MaySkipTwo,
    /// Any bytes.
    Deep,
}

/// The line can match nothing, although it says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadPattern {
    /// A `[` is not closed, or names a class that there is not.
    #[error("a bracket is not closed or names no class")]
    Bracket,
    /// A `\` has nothing after it.
    #[error("there is nothing after its last backslash")]
    Backslash,
    /// It is too long.
    #[error("it is longer than 4096 bytes")]
    TooLong,
}

impl Pattern {
    /// Reads a line; nothing when it is empty or a comment.
    pub(super) fn parse(line: &[u8]) -> Result<Option<Self>, BadPattern> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
        if line.starts_with(b"#") {
            return Ok(None);
        }
        let line = trim_end(line);
        let (lets_in, line) = line.strip_prefix(b"!").map_or((false, line), |line| (true, line));
        let (is_of_dirs, line) = line.strip_suffix(b"/").map_or((false, line), |line| (true, line));
        if line.is_empty() {
            return Ok(None);
        }
        if PATTERN_LEN_MAX < line.len() {
            return Err(BadPattern::TooLong);
        }
        let is_anchored = line.contains(&b'/');
        let line = line.strip_prefix(b"/").unwrap_or(line);
        let is_special = |byte: &u8| b"*?[\\".contains(byte);
        let n_plain = line.iter().position(is_special).unwrap_or(line.len());
        let (prefix, rest) = line.split_at(n_plain);
        Ok(Some(Self {
            lets_in,
            is_of_dirs,
            is_anchored,
            prefix: prefix.to_vec(),
            rest: Rest::parse(rest)?,
        }))
    }

    /// Tells whether the rule is about this.
    pub(super) fn matches(&self, subject: &Subject<'_>) -> bool {
        if self.is_of_dirs && !subject.is_dir {
            return false;
        }
        let text = if self.is_anchored {
            subject.path
        } else {
            subject.name
        };
        text.strip_prefix(&*self.prefix)
            .is_some_and(|text| self.rest.matches(text))
    }
}

/// Takes away spaces at the end, but for one that a backslash stands before.
fn trim_end(line: &[u8]) -> &[u8] {
    let (mut end, mut at) = (0, 0);
    while at < line.len() {
        match line[at] {
            b' ' => at += 1,
            b'\\' => {
                at = (at + 2).min(line.len());
                end = at;
            }
            _ => {
                at += 1;
                end = at;
            }
        }
    }
    &line[..end]
}

impl Rest {
    fn parse(text: &[u8]) -> Result<Self, BadPattern> {
        if text.is_empty() {
            return Ok(Self::End);
        }
        let mut tokens = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let (token, len) = Token::parse(text, at)?;
            at += len;
            if matches!(token, Token::Deep) && text.get(at) == Some(&b'/') {
                tokens.push(Token::MaySkipTwo);
            }
            tokens.push(token);
        }
        let bytes = |tokens: &[Token]| {
            let byte = |token: &Token| match token {
                Token::Byte(byte) => Some(*byte),
                Token::Any | Token::Class(..) | Token::Star | Token::MaySkipTwo | Token::Deep => None,
            };
            tokens.iter().map(byte).collect::<Option<Vec<u8>>>()
        };
        Ok(match tokens.split_first() {
            Some((Token::Star, rest)) => match bytes(rest) {
                Some(end) => Self::AnyThen(end),
                None => Self::Tokens(tokens),
            },
            Some(_) | None => Self::Tokens(tokens),
        })
    }

    fn matches(&self, text: &[u8]) -> bool {
        match self {
            Self::End => text.is_empty(),
            Self::AnyThen(end) => text.strip_suffix(&**end).is_some_and(|any| !any.contains(&b'/')),
            Self::Tokens(tokens) => match_tokens(tokens, text),
        }
    }
}

/// Follows all ways in which the tokens can be read at once. `States` says which tokens are next.
fn match_tokens(tokens: &[Token], text: &[u8]) -> bool {
    let mut now = States::new(tokens);
    let mut next = now.clone();
    now.add(tokens, 0);
    for byte in text {
        next.0.fill(false);
        let mut is_any = false;
        for (at, token) in tokens.iter().enumerate().filter(|(at, _)| now.0[*at]) {
            let goes_to = match token {
                Token::Byte(own) => (own == byte).then_some(at + 1),
                Token::Any => (*byte != b'/').then_some(at + 1),
                Token::Class(ranges, is_negated) => {
                    let is_in = ranges.iter().any(|range| range.contains(byte));
                    (*byte != b'/' && is_in != *is_negated).then_some(at + 1)
                }
                Token::Star => (*byte != b'/').then_some(at),
                Token::Deep => Some(at),
                Token::MaySkipTwo => None,
            };
            if let Some(at) = goes_to {
                next.add(tokens, at);
                is_any = true;
            }
        }
        if !is_any {
            return false;
        }
        std::mem::swap(&mut now, &mut next);
    }
    now.0[tokens.len()]
}

#[derive(Clone)]
struct States(Vec<bool>);

impl States {
    fn new(tokens: &[Token]) -> Self {
        Self(vec![false; tokens.len() + 1])
    }

    /// Adds a token that may be next, and those after it as far as they may be next too.
    fn add(&mut self, tokens: &[Token], mut at: usize) {
        while !self.0[at] {
            self.0[at] = true;
            match tokens.get(at) {
                Some(Token::MaySkipTwo) => {
                    self.add(tokens, at + 3);
                    at += 1;
                }
                Some(Token::Star | Token::Deep) => at += 1,
                Some(Token::Byte(_) | Token::Any | Token::Class(..)) | None => return,
            }
        }
    }
}

impl Token {
    /// Reads the token at a place and says how long it is.
    fn parse(text: &[u8], at: usize) -> Result<(Self, usize), BadPattern> {
        let rest = &text[at..];
        Ok(match rest[0] {
            b'\\' => {
                let byte = rest.get(1).ok_or(BadPattern::Backslash)?;
                (Self::Byte(*byte), 2)
            }
            b'?' => (Self::Any, 1),
            b'*' => {
                let len = rest.iter().take_while(|byte| **byte == b'*').count();
                let after = &rest[len..];
                let is_after_slash = at == 0 || text[at - 1] == b'/';
                let is_before_slash = after.is_empty() || after[0] == b'/' || after.starts_with(b"\\/");
                match 1 < len && is_after_slash && is_before_slash {
                    true => (Self::Deep, len),
                    false => (Self::Star, len),
                }
            }
            b'[' => parse_class(rest)?,
            byte => (Self::Byte(byte), 1),
        })
    }
}

/// Reads a bracket, as git does: a `]` right at the beginning is one of the bytes.
fn parse_class(text: &[u8]) -> Result<(Token, usize), BadPattern> {
    let byte = |at: usize| text.get(at).copied().ok_or(BadPattern::Bracket);
    let mut at = 1;
    let is_negated = matches!(byte(at)?, b'!' | b'^');
    at += usize::from(is_negated);
    let (mut ranges, mut before, first) = (Vec::new(), None, at);
    while at == first || byte(at)? != b']' {
        let this = byte(at)?;
        let is_range = this == b'-' && before.is_some() && !matches!(text.get(at + 1), None | Some(b']'));
        if is_range {
            at += 1;
            at += usize::from(byte(at)? == b'\\');
            ranges.push(before.unwrap_or_default()..=byte(at)?);
            before = None;
        } else if let (b'[', Some(b':')) = (this, text.get(at + 1)) {
            let end = text[at + 2..].iter().position(|byte| *byte == b']');
            let end = at + 2 + end.ok_or(BadPattern::Bracket)?;
            match text[at + 2..end].strip_suffix(b":") {
                Some(name) => {
                    ranges.extend_from_slice(named_class(name).ok_or(BadPattern::Bracket)?);
                    (at, before) = (end, None);
                }
                None => {
                    ranges.push(b'['..=b'[');
                    before = Some(b'[');
                }
            }
        } else {
            at += usize::from(this == b'\\');
            let this = byte(at)?;
            ranges.push(this..=this);
            before = Some(this);
        }
        at += 1;
    }
    Ok((Token::Class(ranges, is_negated), at + 1))
}

/// The bytes of a class such as `[:digit:]`.
fn named_class(name: &[u8]) -> Option<&'static [RangeInclusive<u8>]> {
    Some(match name {
        b"alnum" => &[b'0'..=b'9', b'A'..=b'Z', b'a'..=b'z'],
        b"alpha" => &[b'A'..=b'Z', b'a'..=b'z'],
        b"blank" => &[b' '..=b' ', b'\t'..=b'\t'],
        b"cntrl" => &[0..=31, 127..=127],
        b"digit" => &[b'0'..=b'9'],
        b"graph" => &[b'!'..=b'~'],
        b"lower" => &[b'a'..=b'z'],
        b"print" => &[b' '..=b'~'],
        b"punct" => &[b'!'..=b'/', b':'..=b'@', b'['..=b'`', b'{'..=b'~'],
        b"space" => &[b' '..=b' ', b'\t'..=b'\n', b'\r'..=b'\r'],
        b"upper" => &[b'A'..=b'Z'],
        b"xdigit" => &[b'0'..=b'9', b'A'..=b'F', b'a'..=b'f'],
        _ => return None,
    })
}
