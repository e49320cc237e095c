INSERT INTO t (k, note) VALUES (CONCAT(_utf16 X'D83DDE00', _utf16 X'00E9'), 'new');
UPDATE t SET note = 'changed' WHERE k = _utf16 X'00E9' OR k = _utf16 X'0041';
UPDATE t SET k = CONCAT(_utf16 X'0041', _utf16 X'D83DDE00'), note = 'moved' WHERE k = _utf16 X'D83DDE00';
DELETE FROM t WHERE k = _utf16 X'0061';
DELETE FROM t WHERE k = _utf16 X'20AC';
INSERT INTO t (k, note) VALUES (_utf16 X'20AC', 'again');
