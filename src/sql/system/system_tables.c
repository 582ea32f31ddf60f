/* The relations of pg_catalog that are not views: PostgreSQL 15's names, numbers and columns. */

#include "sql/system/system_internal.h"

const struct plan_system system_tables[] = {
    {"pg_class", 1259, system_fill_class,
     "oid:o relname:n relnamespace:o reltype:o reloftype:o relowner:o relam:o "
     "relfilenode:o reltablespace:o relpages:4 reltuples:f relallvisible:4 "
     "reltoastrelid:o relhasindex:b relisshared:b relpersistence:c relkind:c "
     "relnatts:2 relchecks:2 relhasrules:b relhastriggers:b relhassubclass:b "
     "relrowsecurity:b relforcerowsecurity:b relispopulated:b relreplident:c "
     "relispartition:b relrewrite:o relfrozenxid:x relminmxid:x relacl:T reloptions:T "
     "relpartbound:t"},
    {"pg_attribute", 1249, system_fill_attribute,
     "attrelid:o attname:n atttypid:o attstattarget:4 attlen:2 attnum:2 attndims:4 "
     "attcacheoff:4 atttypmod:4 attbyval:b attalign:c attstorage:c attcompression:c "
     "attnotnull:b atthasdef:b atthasmissing:b attidentity:c attgenerated:c "
     "attisdropped:b attislocal:b attinhcount:4 attcollation:o attacl:T attoptions:T "
     "attfdwoptions:T attmissingval:T"},
    {"pg_type", 1247, system_fill_type,
     "oid:o typname:n typnamespace:o typowner:o typlen:2 typbyval:b typtype:c "
     "typcategory:c typispreferred:b typisdefined:b typdelim:c typrelid:o "
     "typsubscript:r typelem:o typarray:o typinput:r typoutput:r typreceive:r "
     "typsend:r typmodin:r typmodout:r typanalyze:r typalign:c typstorage:c "
     "typnotnull:b typbasetype:o typtypmod:4 typndims:4 typcollation:o typdefaultbin:t "
     "typdefault:t typacl:T"},
    {"pg_namespace", 2615, system_fill_namespace, "oid:o nspname:n nspowner:o nspacl:T"},
    {"pg_index", 2610, system_fill_index,
     "indexrelid:o indrelid:o indnatts:2 indnkeyatts:2 indisunique:b "
     "indnullsnotdistinct:b indisprimary:b indisexclusion:b indimmediate:b "
     "indisclustered:b indisvalid:b indcheckxmin:b indisready:b indislive:b "
     "indisreplident:b indkey:V indcollation:W indclass:W indoption:V indexprs:t "
     "indpred:t"},
    {"pg_constraint", 2606, system_fill_constraint,
     "oid:o conname:n connamespace:o contype:c condeferrable:b condeferred:b "
     "convalidated:b conrelid:o contypid:o conindid:o conparentid:o confrelid:o "
     "confupdtype:c confdeltype:c confmatchtype:c conislocal:b coninhcount:4 "
     "connoinherit:b conkey:S confkey:S conpfeqop:O conppeqop:O conffeqop:O "
     "confdelsetcols:S conexclop:O conbin:t"},
    {"pg_attrdef", 2604, system_fill_attrdef, "oid:o adrelid:o adnum:2 adbin:t"},
    {"pg_proc", 1255, system_fill_proc,
     "oid:o proname:n pronamespace:o proowner:o prolang:o procost:f prorows:f "
     "provariadic:o prosupport:r prokind:c prosecdef:b proleakproof:b proisstrict:b "
     "proretset:b provolatile:c proparallel:c pronargs:2 pronargdefaults:2 "
     "prorettype:o proargtypes:W proallargtypes:O proargmodes:C proargnames:T "
     "proargdefaults:t protrftypes:O prosrc:t probin:t prosqlbody:t proconfig:T "
     "proacl:T"},
    {"pg_operator", 2617, system_fill_operator,
     "oid:o oprname:n oprnamespace:o oprowner:o oprkind:c oprcanmerge:b oprcanhash:b "
     "oprleft:o oprright:o oprresult:o oprcom:o oprnegate:o oprcode:r oprrest:r "
     "oprjoin:r"},
    {"pg_am", 2601, system_fill_am, "oid:o amname:n amhandler:r amtype:c"},
    {"pg_opclass", 2616, system_fill_opclass,
     "oid:o opcmethod:o opcname:n opcnamespace:o opcowner:o opcfamily:o opcintype:o "
     "opcdefault:b opckeytype:o"},
    {"pg_collation", 3456, system_fill_collation,
     "oid:o collname:n collnamespace:o collowner:o collprovider:c "
     "collisdeterministic:b collencoding:4 collcollate:t collctype:t colliculocale:t "
     "collversion:t"},
    {"pg_enum", 3501, system_fill_enum, "oid:o enumtypid:o enumsortorder:f enumlabel:n"},
    {"pg_sequence", 2224, system_fill_sequence,
     "seqrelid:o seqtypid:o seqstart:8 seqincrement:8 seqmax:8 seqmin:8 seqcache:8 "
     "seqcycle:b"},
    {"pg_description", 2609, system_fill_description,
     "objoid:o classoid:o objsubid:4 description:t"},
    {"pg_depend", 2608, system_fill_depend,
     "classid:o objid:o objsubid:4 refclassid:o refobjid:o refobjsubid:4 deptype:c"},
    {"pg_database", 1262, system_fill_database,
     "oid:o datname:n datdba:o encoding:4 datlocprovider:c datistemplate:b "
     "datallowconn:b datconnlimit:4 datfrozenxid:x datminmxid:x dattablespace:o "
     "datcollate:t datctype:t daticulocale:t datcollversion:t datacl:T"},
    {"pg_authid", 1260, system_fill_authid,
     "oid:o rolname:n rolsuper:b rolinherit:b rolcreaterole:b rolcreatedb:b "
     "rolcanlogin:b rolreplication:b rolbypassrls:b rolconnlimit:4 rolpassword:t "
     "rolvaliduntil:z"},
    {"pg_inherits", 2611, NULL, "inhrelid:o inhparent:o inhseqno:4 inhdetachpending:b"},
    {"pg_trigger", 2620, NULL,
     "oid:o tgrelid:o tgparentid:o tgname:n tgfoid:o tgtype:2 tgenabled:c "
     "tgisinternal:b tgconstrrelid:o tgconstrindid:o tgconstraint:o tgdeferrable:b "
     "tginitdeferred:b tgnargs:2 tgattr:V tgargs:y tgqual:t tgoldtable:n tgnewtable:n"},
    {"pg_rewrite", 2618, NULL,
     "oid:o rulename:n ev_class:o ev_type:c ev_enabled:c is_instead:b ev_qual:t "
     "ev_action:t"},
    {"pg_extension", 3079, system_fill_extension,
     "oid:o extname:n extowner:o extnamespace:o extrelocatable:b extversion:t "
     "extconfig:O extcondition:T"},
    {"pg_tablespace", 1213, system_fill_tablespace,
     "oid:o spcname:n spcowner:o spcacl:T spcoptions:T"},
    {"pg_range", 3541, system_fill_range,
     "rngtypid:o rngsubtype:o rngmultitypid:o rngcollation:o rngsubopc:o "
     "rngcanonical:r rngsubdiff:r"},
    {"pg_cast", 2605, system_fill_cast,
     "oid:o castsource:o casttarget:o castfunc:o castcontext:c castmethod:c"},
    {"pg_language", 2612, system_fill_language,
     "oid:o lanname:n lanowner:o lanispl:b lanpltrusted:b lanplcallfoid:o laninline:o "
     "lanvalidator:o lanacl:T"},
    {"pg_policy", 3256, NULL,
     "oid:o polname:n polrelid:o polcmd:c polpermissive:b polroles:O polqual:t "
     "polwithcheck:t"},
    {"pg_publication", 6104, NULL,
     "oid:o pubname:n pubowner:o puballtables:b pubinsert:b pubupdate:b pubdelete:b "
     "pubtruncate:b pubviaroot:b"},
    {"pg_publication_rel", 6106, NULL, "oid:o prpubid:o prrelid:o prqual:t prattrs:V"},
    {"pg_publication_namespace", 6237, NULL, "oid:o pnpubid:o pnnspid:o"},
    {"pg_statistic_ext", 3381, NULL,
     "oid:o stxrelid:o stxname:n stxnamespace:o stxowner:o stxstattarget:4 stxkeys:V "
     "stxkind:C stxexprs:t"},
    {"pg_aggregate", 2600, NULL,
     "aggfnoid:r aggkind:c aggnumdirectargs:2 aggtransfn:r aggfinalfn:r aggcombinefn:r "
     "aggserialfn:r aggdeserialfn:r aggmtransfn:r aggminvtransfn:r aggmfinalfn:r "
     "aggfinalextra:b aggmfinalextra:b aggfinalmodify:c aggmfinalmodify:c aggsortop:o "
     "aggtranstype:o aggtransspace:4 aggmtranstype:o aggmtransspace:4 agginitval:t "
     "aggminitval:t"},
    {"pg_show_all_settings", 2084, system_fill_settings,
     "name:t setting:t unit:t category:t short_desc:t extra_desc:t context:t vartype:t source:t "
     "min_val:t max_val:t enumvals:T boot_val:t reset_val:t sourcefile:t sourceline:4 "
     "pending_restart:b"},
    {"pg_shdescription", 2396, NULL, "objoid:o classoid:o description:t"},
    {"pg_foreign_table", 3118, NULL, "ftrelid:o ftserver:o ftoptions:T"},
    {"pg_foreign_server", 1417, NULL,
     "oid:o srvname:n srvowner:o srvfdw:o srvtype:t srvversion:t srvacl:T srvoptions:T"},
    {"pg_foreign_data_wrapper", 2328, NULL,
     "oid:o fdwname:n fdwowner:o fdwhandler:o fdwvalidator:o fdwacl:T fdwoptions:T"},
    {"pg_user_mapping", 1418, NULL, "oid:o umuser:o umserver:o umoptions:T"},
    {"tdb_privileges", 9100, system_fill_granted,
     "objid:o objsubid:4 grantor:o grantee:o privilege_type:t is_grantable:b"},
    {"pg_auth_members", 1261, system_fill_auth_members,
     "roleid:o member:o grantor:o admin_option:b"},
    {"pg_db_role_setting", 2964, NULL, "setdatabase:o setrole:o setconfig:T"},
    {"pg_default_acl", 826, NULL,
     "oid:o defaclrole:o defaclnamespace:o defaclobjtype:c defaclacl:T"},
    {"pg_opfamily", 2753, NULL, "oid:o opfmethod:o opfname:n opfnamespace:o opfowner:o"},
    {"pg_amop", 2602, NULL,
     "oid:o amopfamily:o amoplefttype:o amoprighttype:o amopstrategy:2 amoppurpose:c "
     "amopopr:o amopmethod:o amopsortfamily:o"},
    {"pg_amproc", 2603, NULL,
     "oid:o amprocfamily:o amproclefttype:o amprocrighttype:o amprocnum:2 amproc:r"},
    {"pg_conversion", 2607, NULL,
     "oid:o conname:n connamespace:o conowner:o conforencoding:4 contoencoding:4 "
     "conproc:r condefault:b"},
    {"pg_event_trigger", 3466, NULL,
     "oid:o evtname:n evtevent:n evtowner:o evtfoid:o evtenabled:c evttags:T"},
    {"pg_ts_config", 3602, NULL, "oid:o cfgname:n cfgnamespace:o cfgowner:o cfgparser:o"},
    {"pg_ts_dict", 3600, NULL,
     "oid:o dictname:n dictnamespace:o dictowner:o dicttemplate:o dictinitoption:t"},
    {"pg_ts_parser", 3601, NULL,
     "oid:o prsname:n prsnamespace:o prsstart:r prstoken:r prsend:r prsheadline:r "
     "prslextype:r"},
    {"pg_ts_template", 3764, NULL, "oid:o tmplname:n tmplnamespace:o tmplinit:r tmpllexize:r"},
    {"pg_partitioned_table", 3350, NULL,
     "partrelid:o partstrat:c partnatts:2 partdefid:o partattrs:V partclass:W "
     "partcollation:W partexprs:t"},
    {"pg_subscription", 6100, NULL,
     "oid:o subdbid:o subskiplsn:t subname:n subowner:o subenabled:b subbinary:b "
     "substream:b subtwophasestate:c subdisableonerr:b subconninfo:t subslotname:n "
     "subsynccommit:t subpublications:T"},
    {"pg_largeobject_metadata", 2995, NULL, "oid:o lomowner:o lomacl:T"},
    {"pg_shdepend", 1214, NULL,
     "dbid:o classid:o objid:o objsubid:4 refclassid:o refobjid:o deptype:c"},
    {"pg_seclabel", 3596, NULL, "objoid:o classoid:o objsubid:4 provider:t label:t"},
    {"pg_transform", 3576, NULL, "oid:o trftype:o trflang:o trffromsql:r trftosql:r"},
    {"pg_init_privs", 3394, NULL, "objoid:o classoid:o objsubid:4 privtype:c initprivs:T"},
    {"pg_statistic", 2619, NULL,
     "starelid:o staattnum:2 stainherit:b stanullfrac:f stawidth:4 stadistinct:f "
     "stakind1:2 stakind2:2 stakind3:2 stakind4:2 stakind5:2 staop1:o staop2:o "
     "staop3:o staop4:o staop5:o stacoll1:o stacoll2:o stacoll3:o stacoll4:o "
     "stacoll5:o stanumbers1:T stanumbers2:T stanumbers3:T stanumbers4:T stanumbers5:T "
     "stavalues1:T stavalues2:T stavalues3:T stavalues4:T stavalues5:T"},
    {NULL, 0, NULL, NULL},
};
