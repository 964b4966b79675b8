//! Pictures: one kind a file, drawn without any system font.
