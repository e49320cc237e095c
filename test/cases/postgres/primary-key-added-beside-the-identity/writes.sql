UPDATE t SET u = -u;
UPDATE t SET u = -u + 7;
