//! Lists of chunks: how the pieces of a large file are named as one [`sync_engine::Content`].
