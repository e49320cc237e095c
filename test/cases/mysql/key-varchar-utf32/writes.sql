INSERT INTO t (k, note) VALUES (CONCAT(_utf32 X'0001F600', _utf32 X'000000E9'), 'new');
UPDATE t SET note = 'changed' WHERE k = _utf32 X'000000E9' OR k = _utf32 X'00000041';
UPDATE t SET k = CONCAT(_utf32 X'00000041', _utf32 X'0001F600'), note = 'moved' WHERE k = _utf32 X'0001F600';
DELETE FROM t WHERE k = _utf32 X'00000062';
DELETE FROM t WHERE k = _utf32 X'000020AC';
INSERT INTO t (k, note) VALUES (_utf32 X'000020AC', 'again');
