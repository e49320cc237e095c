INSERT INTO t (k, note) VALUES (CONCAT(_dec8 X'E4', _dec8 X'F6'), 'new');
UPDATE t SET note = 'changed' WHERE k = _dec8 X'F6' OR k = _dec8 X'FC';
UPDATE t SET k = CONCAT(_dec8 X'FC', _dec8 X'E4'), note = 'moved' WHERE k = _dec8 X'E4';
DELETE FROM t WHERE k = _dec8 X'5C';
DELETE FROM t WHERE k = _dec8 X'41';
INSERT INTO t (k, note) VALUES (_dec8 X'41', 'again');
