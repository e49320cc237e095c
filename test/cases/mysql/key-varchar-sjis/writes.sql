INSERT INTO t (k, note) VALUES (CONCAT(_sjis X'835C', _sjis X'B1'), 'new');
UPDATE t SET note = 'changed' WHERE k = _sjis X'B1' OR k = _sjis X'8EA9';
UPDATE t SET k = CONCAT(_sjis X'8EA9', _sjis X'835C'), note = 'moved' WHERE k = _sjis X'835C';
DELETE FROM t WHERE k = _sjis X'82A0';
DELETE FROM t WHERE k = _sjis X'41';
INSERT INTO t (k, note) VALUES (_sjis X'41', 'again');
