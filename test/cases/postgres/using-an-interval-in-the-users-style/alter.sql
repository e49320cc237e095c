ALTER v TYPE interval USING v::interval, ALTER w TYPE text
