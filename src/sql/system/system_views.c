/* The relations of pg_catalog and information_schema that are views, over those of system_tables.c.
 */

#include "sql/system/system_internal.h"

const struct system_view system_views[] = {
    {"pg_catalog", "pg_tables", 12000,
     "SELECT n.nspname AS schemaname, c.relname AS tablename, pg_get_userbyid(c.relowner) "
     "AS tableowner, t.spcname AS tablespace, c.relhasindex AS hasindexes, c.relhasrules "
     "AS hasrules, c.relhastriggers AS hastriggers, c.relrowsecurity AS rowsecurity FROM "
     "pg_class c LEFT JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN "
     "pg_tablespace t ON t.oid = c.reltablespace WHERE c.relkind IN ('r', 'p')"},
    {"pg_catalog", "pg_views", 12001,
     "SELECT n.nspname AS schemaname, c.relname AS viewname, pg_get_userbyid(c.relowner) "
     "AS viewowner, pg_get_viewdef(c.oid) AS definition FROM pg_class c LEFT JOIN "
     "pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'v'"},
    {"pg_catalog", "pg_matviews", 12002,
     "SELECT n.nspname AS schemaname, c.relname AS matviewname, "
     "pg_get_userbyid(c.relowner) AS matviewowner, t.spcname AS tablespace, c.relhasindex "
     "AS hasindexes, c.relispopulated AS ispopulated, pg_get_viewdef(c.oid) AS definition "
     "FROM pg_class c LEFT JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN "
     "pg_tablespace t ON t.oid = c.reltablespace WHERE c.relkind = 'm'"},
    {"pg_catalog", "pg_indexes", 12003,
     "SELECT n.nspname AS schemaname, c.relname AS tablename, i.relname AS indexname, "
     "t.spcname AS tablespace, pg_get_indexdef(i.oid) AS indexdef FROM pg_index x JOIN "
     "pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid LEFT JOIN "
     "pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_tablespace t ON t.oid = "
     "i.reltablespace WHERE c.relkind IN ('r', 'm', 'p')"},
    {"pg_catalog", "pg_sequences", 12004,
     "SELECT n.nspname AS schemaname, c.relname AS sequencename, "
     "pg_get_userbyid(c.relowner) AS sequenceowner, s.seqtypid::regtype AS data_type, "
     "s.seqstart AS start_value, s.seqmin AS min_value, s.seqmax AS max_value, "
     "s.seqincrement AS increment_by, s.seqcycle AS cycle, s.seqcache AS cache_size, "
     "pg_sequence_last_value(s.seqrelid) AS last_value FROM pg_sequence s JOIN pg_class c ON c.oid "
     "= s.seqrelid "
     "LEFT JOIN pg_namespace n ON n.oid = c.relnamespace"},
    {"pg_catalog", "pg_roles", 12005,
     "SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, "
     "rolreplication, rolconnlimit, '********'::text AS rolpassword, rolvaliduntil, "
     "rolbypassrls, NULL::text[] AS rolconfig, oid FROM pg_authid"},
    {"pg_catalog", "pg_user", 12006,
     "SELECT rolname AS usename, oid AS usesysid, rolcreatedb AS usecreatedb, rolsuper AS "
     "usesuper, rolreplication AS userepl, rolbypassrls AS usebypassrls, '********'::text "
     "AS passwd, rolvaliduntil AS valuntil, NULL::text[] AS useconfig FROM pg_authid WHERE "
     "rolcanlogin"},
    {"pg_catalog", "pg_shadow", 12007,
     "SELECT rolname AS usename, oid AS usesysid, rolcreatedb AS usecreatedb, rolsuper AS "
     "usesuper, rolreplication AS userepl, rolbypassrls AS usebypassrls, rolpassword AS "
     "passwd, rolvaliduntil AS valuntil, NULL::text[] AS useconfig FROM pg_authid WHERE "
     "rolcanlogin"},
    {"pg_catalog", "pg_group", 12008,
     "SELECT rolname AS groname, oid AS grosysid, ARRAY(SELECT member FROM "
     "pg_auth_members WHERE roleid = oid) AS grolist FROM pg_authid WHERE NOT rolcanlogin"},
    {"pg_catalog", "pg_rules", 12009,
     "SELECT ''::name AS schemaname, ''::name AS tablename, ''::name AS rulename, ''::text "
     "AS definition WHERE false"},
    {"pg_catalog", "pg_policies", 12010,
     "SELECT ''::name AS schemaname, ''::name AS tablename, ''::name AS policyname, "
     "''::text AS permissive, ARRAY[]::name[] AS roles, ''::text AS cmd, ''::text AS qual, "
     "''::text AS with_check WHERE false"},
    {"pg_catalog", "pg_publication_tables", 12011,
     "SELECT ''::name AS pubname, ''::name AS schemaname, ''::name AS tablename, "
     "ARRAY[]::name[] AS attnames, ''::text AS rowfilter WHERE false"},
    {"pg_catalog", "pg_prepared_xacts", 12012,
     "SELECT 0::xid AS transaction, ''::text AS gid, now() AS prepared, ''::name AS owner, "
     "''::name AS database WHERE false"},
    {"pg_catalog", "pg_locks", 12013,
     "SELECT ''::text AS locktype, 0::oid AS database, 0::oid AS relation, 0 AS page, "
     "0::smallint AS tuple, ''::text AS virtualxid, 0::xid AS transactionid, 0::oid AS "
     "classid, 0::oid AS objid, 0::smallint AS objsubid, ''::text AS virtualtransaction, 0 "
     "AS pid, ''::text AS mode, true AS granted, false AS fastpath, now() AS waitstart "
     "WHERE false"},
    {"pg_catalog", "pg_stat_activity", 12014,
     "SELECT d.oid AS datid, d.datname, pg_backend_pid() AS pid, NULL::int AS leader_pid, "
     "a.oid AS usesysid, a.rolname AS usename, current_setting('application_name') AS "
     "application_name, NULL::inet AS client_addr, NULL::text AS client_hostname, "
     "NULL::int AS client_port, now() AS backend_start, now() AS xact_start, now() AS "
     "query_start, now() AS state_change, NULL::text AS wait_event_type, NULL::text AS "
     "wait_event, 'active'::text AS state, NULL::xid AS backend_xid, NULL::xid AS "
     "backend_xmin, NULL::bigint AS query_id, ''::text AS query, 'client backend'::text AS "
     "backend_type FROM pg_database d, pg_authid a"},
    {"pg_catalog", "pg_stat_database", 12015,
     "SELECT oid AS datid, datname, 1 AS numbackends, 0::bigint AS xact_commit, 0::bigint "
     "AS xact_rollback, 0::bigint AS blks_read, 0::bigint AS blks_hit, 0::bigint AS "
     "tup_returned, 0::bigint AS tup_fetched, 0::bigint AS tup_inserted, 0::bigint AS "
     "tup_updated, 0::bigint AS tup_deleted, 0::bigint AS conflicts, 0::bigint AS "
     "temp_files, 0::bigint AS temp_bytes, 0::bigint AS deadlocks FROM pg_database"},
    {"pg_catalog", "pg_stat_all_tables", 12016,
     "SELECT c.oid AS relid, n.nspname AS schemaname, c.relname, 0::bigint AS seq_scan, "
     "0::bigint AS seq_tup_read, 0::bigint AS idx_scan, 0::bigint AS idx_tup_fetch, "
     "0::bigint AS n_tup_ins, 0::bigint AS n_tup_upd, 0::bigint AS n_tup_del, 0::bigint AS "
     "n_tup_hot_upd, pg_stat_get_live_tuples(c.oid) AS n_live_tup, 0::bigint AS "
     "n_dead_tup, 0::bigint AS n_mod_since_analyze, 0::bigint AS n_ins_since_vacuum, "
     "NULL::timestamptz AS last_vacuum, NULL::timestamptz AS last_autovacuum, "
     "NULL::timestamptz AS last_analyze, NULL::timestamptz AS last_autoanalyze, 0::bigint "
     "AS vacuum_count, 0::bigint AS autovacuum_count, 0::bigint AS analyze_count, "
     "0::bigint AS autoanalyze_count FROM pg_class c LEFT JOIN pg_namespace n ON n.oid = "
     "c.relnamespace WHERE c.relkind IN ('r', 't', 'm', 'p')"},
    {"pg_catalog", "pg_stat_user_tables", 12017,
     "SELECT c.oid AS relid, n.nspname AS schemaname, c.relname, 0::bigint AS seq_scan, "
     "0::bigint AS seq_tup_read, 0::bigint AS idx_scan, 0::bigint AS idx_tup_fetch, "
     "0::bigint AS n_tup_ins, 0::bigint AS n_tup_upd, 0::bigint AS n_tup_del, 0::bigint AS "
     "n_tup_hot_upd, pg_stat_get_live_tuples(c.oid) AS n_live_tup, 0::bigint AS "
     "n_dead_tup, 0::bigint AS n_mod_since_analyze, 0::bigint AS n_ins_since_vacuum, "
     "NULL::timestamptz AS last_vacuum, NULL::timestamptz AS last_autovacuum, "
     "NULL::timestamptz AS last_analyze, NULL::timestamptz AS last_autoanalyze, 0::bigint "
     "AS vacuum_count, 0::bigint AS autovacuum_count, 0::bigint AS analyze_count, "
     "0::bigint AS autoanalyze_count FROM pg_class c LEFT JOIN pg_namespace n ON n.oid = "
     "c.relnamespace WHERE c.relkind IN ('r', 't', 'm', 'p') AND n.nspname NOT IN "
     "('pg_catalog', 'information_schema')"},
    {"pg_catalog", "pg_stat_user_indexes", 12018,
     "SELECT c.oid AS relid, i.oid AS indexrelid, n.nspname AS schemaname, c.relname, "
     "i.relname AS indexrelname, 0::bigint AS idx_scan, 0::bigint AS idx_tup_read, "
     "0::bigint AS idx_tup_fetch FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid "
     "JOIN pg_class i ON i.oid = x.indexrelid LEFT JOIN pg_namespace n ON n.oid = "
     "c.relnamespace"},
    {"pg_catalog", "pg_available_extensions", 12019,
     "SELECT 'vector'::name AS name, '0.7.0'::text AS default_version, '0.7.0'::text AS "
     "installed_version, 'vectors and distances'::text AS comment"},
    {"pg_catalog", "pg_timezone_names", 12020,
     "SELECT 'UTC'::text AS name, 'UTC'::text AS abbrev, interval '0' AS utc_offset, false "
     "AS is_dst"},
    {"pg_catalog", "pg_settings", 12036, "SELECT * FROM pg_show_all_settings"},
    {"information_schema", "information_schema_catalog_name", 12021,
     "SELECT current_database() AS catalog_name"},
    {"information_schema", "schemata", 12022,
     "SELECT current_database()::text AS catalog_name, n.nspname::text AS schema_name, "
     "pg_get_userbyid(n.nspowner)::text AS schema_owner, NULL::text AS "
     "default_character_set_catalog, NULL::text AS default_character_set_schema, "
     "NULL::text AS default_character_set_name, NULL::text AS sql_path FROM pg_namespace n"},
    {"information_schema", "tables", 12023,
     "SELECT current_database()::text AS table_catalog, n.nspname::text AS table_schema, "
     "c.relname::text AS table_name, CASE WHEN c.relkind IN ('r', 'p') THEN 'BASE TABLE' "
     "WHEN c.relkind = 'v' THEN 'VIEW' ELSE 'FOREIGN' END AS table_type, NULL::text AS "
     "self_referencing_column_name, NULL::text AS reference_generation, NULL::text AS "
     "user_defined_type_catalog, NULL::text AS user_defined_type_schema, NULL::text AS "
     "user_defined_type_name, CASE WHEN c.relkind IN ('r', 'p') THEN 'YES' ELSE 'NO' END "
     "AS is_insertable_into, 'NO' AS is_typed, NULL::text AS commit_action FROM pg_class c "
     "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v', 'f', "
     "'p')"},
    {"information_schema", "views", 12024,
     "SELECT current_database()::text AS table_catalog, n.nspname::text AS table_schema, "
     "c.relname::text AS table_name, pg_get_viewdef(c.oid) AS view_definition, 'NONE' AS "
     "check_option, 'NO' AS is_updatable, 'NO' AS is_insertable_into, 'NO' AS "
     "is_trigger_updatable, 'NO' AS is_trigger_deletable, 'NO' AS "
     "is_trigger_insertable_into FROM pg_class c JOIN pg_namespace n ON n.oid = "
     "c.relnamespace WHERE c.relkind = 'v'"},
    {"information_schema", "columns", 12025,
     "SELECT current_database()::text AS table_catalog, n.nspname::text AS table_schema, "
     "c.relname::text AS table_name, a.attname::text AS column_name, a.attnum::int AS "
     "ordinal_position, pg_get_expr(d.adbin, d.adrelid) AS column_default, CASE WHEN "
     "a.attnotnull THEN 'NO' ELSE 'YES' END AS is_nullable, CASE WHEN t.typelem <> 0 AND "
     "t.typlen = -1 AND t.typcategory = 'A' THEN 'ARRAY' WHEN t.typnamespace = 11 THEN "
     "format_type(a.atttypid, NULL) ELSE 'USER-DEFINED' END AS data_type, CASE WHEN "
     "a.atttypid IN (1042, 1043) AND a.atttypmod > 4 THEN a.atttypmod - 4 WHEN a.atttypid "
     "IN (1560, 1562) AND a.atttypmod > 0 THEN a.atttypmod END AS "
     "character_maximum_length, CASE WHEN a.atttypid IN (25, 1042, 1043) THEN CASE WHEN "
     "a.atttypmod > 4 AND a.atttypid <> 25 THEN 4 * (a.atttypmod - 4) ELSE 1073741824 END "
     "END AS character_octet_length, CASE a.atttypid WHEN 21 THEN 16 WHEN 23 THEN 32 WHEN "
     "20 THEN 64 WHEN 700 THEN 24 WHEN 701 THEN 53 WHEN 1700 THEN CASE WHEN a.atttypmod > "
     "0 THEN (a.atttypmod - 4) / 65536 END END AS numeric_precision, CASE WHEN a.atttypid "
     "IN (21, 23, 20, 700, 701) THEN 2 WHEN a.atttypid = 1700 THEN 10 END AS "
     "numeric_precision_radix, CASE WHEN a.atttypid IN (21, 23, 20) THEN 0 WHEN a.atttypid "
     "= 1700 AND a.atttypmod > 0 THEN (a.atttypmod - 4) % 65536 END AS numeric_scale, CASE "
     "WHEN a.atttypid = 1082 THEN 0 WHEN a.atttypid IN (1083, 1114, 1184, 1266, 1186) THEN "
     "6 END AS datetime_precision, NULL::text AS interval_type, NULL::int AS "
     "interval_precision, NULL::text AS character_set_catalog, NULL::text AS "
     "character_set_schema, NULL::text AS character_set_name, NULL::text AS "
     "collation_catalog, NULL::text AS collation_schema, NULL::text AS collation_name, "
     "NULL::text AS domain_catalog, NULL::text AS domain_schema, NULL::text AS "
     "domain_name, current_database()::text AS udt_catalog, nt.nspname::text AS "
     "udt_schema, t.typname::text AS udt_name, NULL::text AS scope_catalog, NULL::text AS "
     "scope_schema, NULL::text AS scope_name, NULL::int AS maximum_cardinality, "
     "a.attnum::text AS dtd_identifier, 'NO' AS is_self_referencing, CASE WHEN "
     "a.attidentity IN ('a', 'd') THEN 'YES' ELSE 'NO' END AS is_identity, CASE "
     "a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END AS "
     "identity_generation, NULL::text AS identity_start, NULL::text AS identity_increment, "
     "NULL::text AS identity_maximum, NULL::text AS identity_minimum, 'NO' AS "
     "identity_cycle, CASE WHEN a.attgenerated = '' THEN 'NEVER' ELSE 'ALWAYS' END AS "
     "is_generated, NULL::text AS generation_expression, CASE WHEN c.relkind IN ('r', 'p') "
     "THEN 'YES' ELSE 'NO' END AS is_updatable FROM pg_attribute a LEFT JOIN pg_attrdef d "
     "ON a.attrelid = d.adrelid AND a.attnum = d.adnum JOIN pg_class c ON a.attrelid = "
     "c.oid JOIN pg_namespace n ON c.relnamespace = n.oid JOIN pg_type t ON a.atttypid = "
     "t.oid JOIN pg_namespace nt ON t.typnamespace = nt.oid WHERE a.attnum > 0 AND NOT "
     "a.attisdropped AND c.relkind IN ('r', 'v', 'f', 'p')"},
    {"information_schema", "table_constraints", 12026,
     "SELECT current_database()::text AS constraint_catalog, n.nspname::text AS "
     "constraint_schema, k.conname::text AS constraint_name, current_database()::text AS "
     "table_catalog, nr.nspname::text AS table_schema, c.relname::text AS table_name, CASE "
     "k.contype WHEN 'c' THEN 'CHECK' WHEN 'f' THEN 'FOREIGN KEY' WHEN 'p' THEN 'PRIMARY "
     "KEY' WHEN 'u' THEN 'UNIQUE' END AS constraint_type, CASE WHEN k.condeferrable THEN "
     "'YES' ELSE 'NO' END AS is_deferrable, CASE WHEN k.condeferred THEN 'YES' ELSE 'NO' "
     "END AS initially_deferred, 'YES' AS enforced, NULL::text AS nulls_distinct FROM "
     "pg_constraint k JOIN pg_class c ON k.conrelid = c.oid JOIN pg_namespace n ON n.oid = "
     "k.connamespace JOIN pg_namespace nr ON nr.oid = c.relnamespace WHERE k.contype IN "
     "('c', 'f', 'p', 'u')"},
    {"information_schema", "key_column_usage", 12027,
     "SELECT current_database()::text AS constraint_catalog, n.nspname::text AS "
     "constraint_schema, k.conname::text AS constraint_name, current_database()::text AS "
     "table_catalog, nr.nspname::text AS table_schema, c.relname::text AS table_name, "
     "a.attname::text AS column_name, s.n::int AS ordinal_position, CASE WHEN k.contype = "
     "'f' THEN array_position(u.conkey, k.confkey[s.n])::int END AS "
     "position_in_unique_constraint FROM pg_constraint k CROSS JOIN LATERAL "
     "generate_series(1, array_length(k.conkey, 1)) AS s(n) JOIN pg_class c ON k.conrelid "
     "= c.oid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[s.n] JOIN "
     "pg_namespace n ON n.oid = k.connamespace JOIN pg_namespace nr ON nr.oid = "
     "c.relnamespace LEFT JOIN pg_constraint u ON u.conindid = k.conindid AND u.contype IN "
     "('p', 'u') AND k.contype = 'f' WHERE k.contype IN ('p', 'u', 'f')"},
    {"information_schema", "referential_constraints", 12028,
     "SELECT current_database()::text AS constraint_catalog, n.nspname::text AS "
     "constraint_schema, k.conname::text AS constraint_name, current_database()::text AS "
     "unique_constraint_catalog, nu.nspname::text AS unique_constraint_schema, "
     "u.conname::text AS unique_constraint_name, CASE k.confmatchtype WHEN 'f' THEN 'FULL' "
     "WHEN 'p' THEN 'PARTIAL' WHEN 's' THEN 'NONE' END AS match_option, CASE k.confupdtype "
     "WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT' WHEN "
     "'r' THEN 'RESTRICT' WHEN 'a' THEN 'NO ACTION' END AS update_rule, CASE k.confdeltype "
     "WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT' WHEN "
     "'r' THEN 'RESTRICT' WHEN 'a' THEN 'NO ACTION' END AS delete_rule FROM pg_constraint "
     "k JOIN pg_namespace n ON n.oid = k.connamespace LEFT JOIN pg_constraint u ON "
     "u.conindid = k.conindid AND u.contype IN ('p', 'u') LEFT JOIN pg_namespace nu ON "
     "nu.oid = u.connamespace WHERE k.contype = 'f'"},
    {"information_schema", "constraint_column_usage", 12029,
     "SELECT current_database()::text AS table_catalog, nr.nspname::text AS table_schema, "
     "c.relname::text AS table_name, a.attname::text AS column_name, "
     "current_database()::text AS constraint_catalog, n.nspname::text AS "
     "constraint_schema, k.conname::text AS constraint_name FROM pg_constraint k JOIN "
     "pg_class c ON c.oid = CASE WHEN k.contype = 'f' THEN k.confrelid ELSE k.conrelid END "
     "JOIN pg_namespace nr ON nr.oid = c.relnamespace JOIN pg_namespace n ON n.oid = "
     "k.connamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (CASE "
     "WHEN k.contype = 'f' THEN k.confkey ELSE k.conkey END) WHERE k.contype IN ('p', 'u', "
     "'f')"},
    {"information_schema", "check_constraints", 12030,
     "SELECT current_database()::text AS constraint_catalog, n.nspname::text AS "
     "constraint_schema, k.conname::text AS constraint_name, '(' || k.conbin || ')' AS "
     "check_clause FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace "
     "WHERE k.contype = 'c'"},
    {"information_schema", "sequences", 12031,
     "SELECT current_database()::text AS sequence_catalog, n.nspname::text AS "
     "sequence_schema, c.relname::text AS sequence_name, format_type(s.seqtypid, NULL) AS "
     "data_type, 64 AS numeric_precision, 2 AS numeric_precision_radix, 0 AS "
     "numeric_scale, s.seqstart::text AS start_value, s.seqmin::text AS minimum_value, "
     "s.seqmax::text AS maximum_value, s.seqincrement::text AS increment, CASE WHEN "
     "s.seqcycle THEN 'YES' ELSE 'NO' END AS cycle_option FROM pg_sequence s JOIN pg_class "
     "c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace"},
    {"information_schema", "routines", 12032,
     "SELECT current_database()::text AS specific_catalog, ''::text AS specific_schema, "
     "''::text AS specific_name, ''::text AS routine_schema, ''::text AS routine_name, "
     "''::text AS routine_type WHERE false"},
    {"information_schema", "triggers", 12033,
     "SELECT ''::text AS trigger_catalog, ''::text AS trigger_schema, ''::text AS "
     "trigger_name, ''::text AS event_manipulation, ''::text AS event_object_schema, "
     "''::text AS event_object_table WHERE false"},
    {"information_schema", "table_privileges", 12034,
     "SELECT pg_get_userbyid(p.grantor)::text AS grantor, CASE WHEN p.grantee = 0 THEN "
     "'PUBLIC' ELSE pg_get_userbyid(p.grantee)::text END AS grantee, "
     "current_database()::text AS table_catalog, n.nspname::text AS table_schema, "
     "c.relname::text AS table_name, p.privilege_type, CASE WHEN p.is_grantable THEN 'YES' "
     "ELSE 'NO' END AS is_grantable, CASE WHEN p.privilege_type = 'SELECT' THEN 'YES' ELSE "
     "'NO' END AS with_hierarchy FROM tdb_privileges p JOIN pg_class c ON c.oid = p.objid "
     "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE p.objsubid = 0 AND c.relkind IN "
     "('r', 'v', 'f', 'p') AND (p.grantee = 0 OR pg_has_role(p.grantee, 'USAGE') OR "
     "pg_has_role(p.grantor, 'USAGE'))"},
    {"information_schema", "role_table_grants", 12035,
     "SELECT * FROM information_schema.table_privileges WHERE grantee <> 'PUBLIC'"},
    {"information_schema", "column_privileges", 12036,
     "SELECT pg_get_userbyid(p.grantor)::text AS grantor, CASE WHEN p.grantee = 0 THEN "
     "'PUBLIC' ELSE pg_get_userbyid(p.grantee)::text END AS grantee, "
     "current_database()::text AS table_catalog, n.nspname::text AS table_schema, "
     "c.relname::text AS table_name, a.attname::text AS column_name, p.privilege_type, CASE "
     "WHEN bool_or(p.is_grantable) THEN 'YES' ELSE 'NO' END AS is_grantable FROM "
     "tdb_privileges p JOIN pg_class c ON c.oid = p.objid JOIN pg_namespace n ON n.oid = "
     "c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND (a.attnum = p.objsubid OR "
     "(p.objsubid = 0 AND a.attnum > 0)) WHERE c.relkind IN ('r', 'v', 'f', 'p') AND "
     "p.privilege_type IN ('INSERT', 'SELECT', 'UPDATE', 'REFERENCES') AND (p.grantee = 0 OR "
     "pg_has_role(p.grantee, 'USAGE') OR pg_has_role(p.grantor, 'USAGE')) GROUP BY p.grantor, "
     "p.grantee, n.nspname, c.relname, a.attname, p.privilege_type"},
    {"information_schema", "usage_privileges", 12037,
     "SELECT pg_get_userbyid(p.grantor)::text AS grantor, CASE WHEN p.grantee = 0 THEN "
     "'PUBLIC' ELSE pg_get_userbyid(p.grantee)::text END AS grantee, "
     "current_database()::text AS object_catalog, n.nspname::text AS object_schema, "
     "c.relname::text AS object_name, 'SEQUENCE' AS object_type, 'USAGE' AS privilege_type, "
     "CASE WHEN p.is_grantable THEN 'YES' ELSE 'NO' END AS is_grantable FROM tdb_privileges p "
     "JOIN pg_class c ON c.oid = p.objid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE "
     "c.relkind = 'S' AND p.privilege_type = 'USAGE' AND (p.grantee = 0 OR "
     "pg_has_role(p.grantee, 'USAGE') OR pg_has_role(p.grantor, 'USAGE'))"},
    {"information_schema", "enabled_roles", 12038,
     "SELECT rolname::text AS role_name FROM pg_authid WHERE pg_has_role(oid, 'USAGE')"},
    {"information_schema", "applicable_roles", 12039,
     "SELECT m.rolname::text AS grantee, g.rolname::text AS role_name, CASE WHEN "
     "a.admin_option THEN 'YES' ELSE 'NO' END AS is_grantable FROM pg_auth_members a JOIN "
     "pg_authid m ON m.oid = a.member JOIN pg_authid g ON g.oid = a.roleid WHERE "
     "pg_has_role(m.oid, 'USAGE')"},
    {NULL, NULL, 0, NULL},
};
