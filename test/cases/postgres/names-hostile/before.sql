CREATE TABLE "T 'a""ble" ("I d" serial, "a""b" int, "c\" text, "select" int, "ünï" int, "$1" int UNIQUE, CONSTRAINT "p k" PRIMARY KEY ("I d", "select"));
INSERT INTO "T 'a""ble" ("a""b", "c\", "select", "ünï", "$1") SELECT n, '\', n, n, n FROM generate_series(1, 60) AS n;
CREATE INDEX "in dex" ON "T 'a""ble" (("select" + 1)) WHERE "c\" <> 'x';
ALTER TABLE "T 'a""ble" ADD CONSTRAINT "che""ck" CHECK ("ünï" > -100);
