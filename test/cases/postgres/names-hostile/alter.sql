ADD "n ew" int DEFAULT 1, ALTER "a""b" TYPE text USING "a""b" || '"' || "c\"
