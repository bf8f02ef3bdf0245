// Names and values as the vendor's; only those that stimulators need.
namespace Mcs.Usb
{
    public enum DeviceEnumNet
    {
        MCS_DEVICE_ANY = 0,
        MCS_DEVICE_USB = 2,
        MCS_STG_DEVICE = 4,
#if GENERATION_5
        MCS_MC_STIMULUS_DEVICE = 5,
        MCS_MEAUSB_DEVICE = 6,
#else
        MCS_MEAUSB_DEVICE = 5,
#endif
    }

    public enum McsBusTypeEnumNet
    {
        MCS_ANY_BUS = -1,
        MCS_UNDEFINED_BUS = 0,
        MCS_USB_BUS = 1,
        MCS_PCI_BUS = 2,
    }

    public enum VendorIdEnumNet
    {
        Any = -1,
        None = 0,
#if GENERATION_5
        MCS_old = 43981,
        MCS = 7718,
#else
        Mcs_Old = 43981,
        Mcs = 7718,
#endif
    }

    public enum ProductIdEnumNet
    {
        Any = -1,
        None = 0,
        STG400x = 49728,
        STG4002 = 49729,
        STG4004 = 49730,
        STG4008 = 49731,
    }

    public enum RetriggerActionEnumNet
    {
#if GENERATION_5
        Stop = 0,
        Restart = 1,
        Ignore = 2,
        Gate = 3,
        Single = 4,
#else
        raStop = 0,
        raRestart = 1,
        raIgnore = 2,
        raGate = 3,
        raSingle = 4,
#endif
    }

    public enum STG_DestinationEnumNet
    {
        channeldata_voltage = 0,
        channeldata_current = 1,
        syncoutdata = 2,
#if GENERATION_5
        channeldata_positive_voltage = 3,
        channeldata_positive_current = 4,
        rawdata = 5,
#else
        channeldata_positive_current = 3,
        rawdata = 4,
#endif
    }

#if GENERATION_5
    public enum Stg200xSegmentFlagsEnumNet
    {
        None = 0,
        UpdateTrigger = 1,
        DownloadOnly = 2,
        TriggerOnly = 4,
        SyncStart = 8,
    }

    public enum Stg200xTriggerStatusEnumNet
    {
        Idle = 0,
        Running = 1,
        Finished = 2,
        Armed = 3,
    }

    public enum Stg5OvercurrentStatusEnumNet
    {
        Normal = 0,
        Shutdown = 1,
    }
#else
    public enum EnSTG200x_TRIGGER_STATUS
    {
        STG200x_TRIGGER_IDLE = 0,
        STG200x_TRIGGER_RUNNING = 1,
        STG200x_TRIGGER_FINISHED = 2,
    }
#endif
}
